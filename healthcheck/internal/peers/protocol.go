// Package peers asks the other instances of a service about the checks that fail here, and keeps their
// answers.
//
// In: the names of the failing checks, from any goroutine; addresses, by DNS; answers, by HTTP. Out: the
// [votes.Peer]s in memory. The judge reads them without waiting. Only the goroutines of this package make
// lookups and requests, never a probe, a callback or the judge. While no check fails, it asks nothing,
// except one question at the start. It decides nothing. docs/peers.md has the protocol.
package peers

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/internal/votes"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

const (
	// version of the protocol. An answer of another version has no vote. New fields don't need a new version.
	version = 1

	param = "peers" // of the query, with the version
	check = "check" // of the query, once for each check

	maxChecks   = 16      // of a question; further ones wait
	maxAnswer   = 8 << 10 // bytes: enough for 16 escaped names of 64 bytes and the rest
	maxInstance = 128     // bytes, because the caller remembers them
)

// wire is an Answer as it is sent.
type wire struct {
	Version   int                  `json:"peers"`
	Instance  string               `json:"instance"`
	Service   string               `json:"service"`
	Lifecycle states.Phase         `json:"lifecycle"`
	State     verdict.State        `json:"state"`
	Admitted  bool                 `json:"admitted"`
	Checks    map[string]wireCheck `json:"checks"`
}

// wireCheck has ages in milliseconds. An age is absent if there was no such run.
type wireCheck struct {
	Worked *int64 `json:"worked,omitempty"`
	Began  *int64 `json:"began,omitempty"`
}

// Question writes the query of a question about checks.
func Question(checks []string) string {
	return url.Values{param: {fmt.Sprint(version)}, check: checks[:min(len(checks), maxChecks)]}.Encode()
}

// Asked returns the checks of a question, and whether the query is a question. A question of a later version is
// answered too. The peer decides whether it can use the answer.
func Asked(query string) (checks []string, is bool) {
	q, err := url.ParseQuery(query)
	if err != nil || !q.Has(param) {
		return nil, false
	}
	all := q[check]
	return all[:min(len(all), maxChecks)], true
}

// Encode writes an answer.
func Encode(a *votes.Answer) []byte {
	w := wire{version, a.Instance, a.Service, a.Phase, a.State, a.Admitted, map[string]wireCheck{}}
	for name, c := range a.Checks {
		w.Checks[name] = wireCheck{milliseconds(c.Worked), milliseconds(c.Began)}
	}
	b, err := json.Marshal(w)
	if err != nil {
		return nil // impossible with these types
	}
	return append(b, '\n')
}

func milliseconds(age time.Duration) *int64 {
	if age < 0 {
		return nil
	}
	ms := age.Milliseconds()
	return &ms
}

// decode reads an answer; nil if it is none of this version.
func decode(body []byte) *votes.Answer {
	var w wire
	if json.Unmarshal(body, &w) != nil || w.Version != version || w.Instance == "" || len(w.Instance) > maxInstance {
		return nil
	}
	a := &votes.Answer{Instance: w.Instance, Service: w.Service, Phase: w.Lifecycle, State: w.State, Admitted: w.Admitted, Checks: map[string]votes.Check{}}
	for name, c := range w.Checks {
		a.Checks[name] = votes.Check{Worked: age(c.Worked), Began: age(c.Began)}
	}
	return a
}

// age reads an age, which may be any number.
func age(ms *int64) time.Duration {
	if ms == nil || *ms < 0 {
		return -1
	}
	return time.Duration(min(*ms, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
}
