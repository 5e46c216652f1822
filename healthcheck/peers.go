package healthcheck

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
	"github.com/otelhealth/otelhealth/healthcheck/internal/answer"
	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
	"github.com/otelhealth/otelhealth/healthcheck/internal/peers"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/internal/votes"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// peersAt returns where the peers are, from the configuration.
func (m *Monitor) peersAt() (t peers.Target, err error) {
	if m.config.Peers == "" {
		return t, nil
	}
	bad := func(problem string) (peers.Target, error) {
		return t, &cfgerrors.Error{Field: "Peers", Problem: fmt.Sprintf("%.80q %s", m.config.Peers, problem)}
	}
	address, path, _ := strings.Cut(m.config.Peers, "/")
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || strings.ContainsAny(host, "@?# ") {
		return bad(`is no name with a port: write "orders-peers:8000"`)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return bad("has no port from 1 to 65535")
	}
	t = peers.Target{Host: host, Port: port, Path: m.paths()[states.Readiness]}
	if path != "" {
		t.Path = "/" + path
	}
	switch {
	case t.Path == "":
		return bad("needs the path of ReadinessHandler after the port, because ReadinessPath is none")
	case strings.ContainsAny(t.Path, "?#{} "):
		return bad("has no plain path: remove ?, #, braces and spaces")
	}
	return t, nil
}

// meet makes the Asker. The configuration is valid.
func (m *Monitor) meet(r *running) {
	if m.config.Peers == "" {
		return
	}
	target, _ := m.peersAt()
	r.peers = peers.New(target, m.instance, func() string { return m.identity.Load().service.Name }, m.network, r.logger, m.askJudge)
}

// consult makes the Asker ask the peers about the checks that fail. If one more failure of a check would
// decide, it brings the next run forward. It waits for nothing.
func (r *running) consult(v *judge.Verdict) {
	if r.peers == nil {
		return
	}
	r.peers.Want(v.Asks())
	for n := range v.Checks {
		if c := &v.Checks[n]; c.Vote != nil && c.Vote.Retry && c.Subject.Hurry != nil {
			c.Subject.Hurry()
		}
	}
}

// testify answers a peer's question about checks. It brings the next runs of these checks forward if
// peers vote on them, so that the peer does not wait for an interval. The answer is written on request,
// because peers ask only while a check fails.
func (m *Monitor) testify(w http.ResponseWriter, r *http.Request, checks []string) {
	v, now := m.current.Load(), time.Now()
	a := votes.Answer{
		Instance: m.instance, Service: v.service.Name, Phase: v.Phase, State: cmp.Or(v.Own, verdict.Unknown), Admitted: v.Admitted,
		Checks: map[string]votes.Check{},
	}
	if v.Stale(now) {
		a.State = verdict.Fail
	}
	for n := range v.Checks {
		c := &v.Checks[n]
		for _, name := range checks {
			if name == c.Subject.Name {
				a.Checks[name] = votes.Check{Worked: since(c.Finding.Starts.Success, now), Began: since(c.Finding.Starts.Row, now)}
				if c.Subject.Hurry != nil && c.Votable() && states.Good(c.State) {
					c.Subject.Hurry()
				}
			}
		}
	}
	body := peers.Encode(&a)
	write(w, r, &answer.Answer{Code: http.StatusOK, Body: body, Length: []string{strconv.Itoa(len(body))}})
}

// since is the age of a time; negative if there is none.
func since(t, now time.Time) time.Duration {
	if t.IsZero() {
		return -1
	}
	return max(0, now.Sub(t))
}
