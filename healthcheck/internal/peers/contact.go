package peers

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync/atomic"

	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
)

// maxTries is how many addresses are asked, one after each lookup, before refusals or silence are reported. The
// instances of a fleet that starts together do not listen at once.
const maxTries = 6

// A contactor asks one peer once at the start, so that a wrong path or port is known before an outage. Only the
// goroutine of Look uses it.
type contactor struct {
	of      *Asker
	state   atomic.Int32 // a states.Contact; any goroutine may read it
	settled bool         // no more questions
	tries   int
	tried   map[string]bool
}

// Contact returns whether the peers can be reached. Any goroutine may call it.
func (a *Asker) Contact() states.Contact { return states.Contact(a.contact.state.Load()) }

// again starts over, after the name had no address for some time.
func (c *contactor) again() { c.settled, c.tries, c.tried = false, 0, nil }

// try asks one address that was not asked yet, and reports a problem once.
func (c *contactor) try(ctx context.Context) {
	for !c.settled && ctx.Err() == nil {
		address, found := c.next()
		if !found {
			return
		}
		c.tried[address] = true
		c.of.asked.Add(1)
		client := c.of.network.client()
		r := client.ask(ctx, c.of.target, address, nil)
		client.closeOthers(nil)
		if ctx.Err() != nil {
			return
		}
		a := r.answer()
		if a != nil && a.Instance == c.of.instance {
			c.of.mine(address)
			continue // try another address
		}
		c.tries++
		state, problem := c.judge(r)
		if c.settled = state == states.Reached || state == states.Foreign && a == nil && !r.older() || c.tries >= maxTries; c.settled {
			c.state.Store(int32(state))
			if problem != "" {
				c.of.log.Warn("Config.Peers: this instance can't ask its peers, so in an outage it becomes not ready as without peers: "+problem,
					slog.String("event.name", "health.peers.contact_failed"), slog.String("field", "Config.Peers"),
					slog.String("name", c.of.target.Host), slog.String("address", net.JoinHostPort(address, c.of.target.Port)), slog.String("error.type", state.String()))
			}
		}
		return
	}
}

// reached notes that an address has answered as a peer. That may be after the contactor has given up: in a
// rollout of Config.Peers, the other instances are at first of a release without it.
func (c *contactor) reached() { c.state.Store(int32(states.Reached)) }

// older reports whether the reply is a readiness body of a release without Config.Peers.
func (r reply) older() bool { return r.answer() == nil && bytes.Contains(r.body, []byte(`"status"`)) }

// next returns an address to ask, if possible one that was not asked.
func (c *contactor) next() (address string, found bool) {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if c.tried == nil {
		c.tried = map[string]bool{}
	}
	others := slices.DeleteFunc(slices.Clone(c.of.found[:min(len(c.of.found), 4*maxTries)]), func(a string) bool {
		out, known := c.of.out[a]
		return known && out.IsZero() // this instance
	})
	if n := slices.IndexFunc(others, func(a string) bool { return !c.tried[a] }); n >= 0 {
		return others[n], true
	}
	if len(others) == 0 {
		return "", false
	}
	return others[c.tries%len(others)], true
}

// judge returns the state for a reply, and what is wrong and what to do.
func (c *contactor) judge(r reply) (state states.Contact, problem string) {
	port, path := c.of.target.Port, c.of.target.Path
	a := r.answer()
	switch {
	case a != nil && a.Service != c.of.service():
		return states.Foreign, fmt.Sprintf("all that answer at %s are of another service, such as %.64q, and this one is %.64q: correct the Service's selector, or service.name", c.of.target.Host, a.Service, c.of.service())
	case a != nil:
		return states.Reached, ""
	case r.outcome == refused:
		return states.Refused, fmt.Sprintf("port %s refuses connections: write the port that answers readiness", port)
	case r.strange, bytes.Contains(r.body, []byte("HTTPS")):
		return states.Foreign, fmt.Sprintf("port %s does not speak plain HTTP: write one that answers readiness without TLS and without gRPC", port)
	case r.outcome == silent:
		return states.Silent, fmt.Sprintf("port %s does not answer: look for a NetworkPolicy, or write the port that answers readiness", port)
	case r.status != 200 && !bytes.Contains(r.body, []byte(`"status"`)):
		return states.Foreign, fmt.Sprintf("%s answers with status %d: write the path of readiness after the port", path, r.status)
	}
	return states.Foreign, fmt.Sprintf("%s answers, but not as a peer: it is the path of something else, or a release without Config.Peers", path)
}
