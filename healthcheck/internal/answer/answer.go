// Package answer writes the answers of the probes once for every judgement, so that a probe only
// loads them.
//
// In: a judge.Verdict and the [Service]. Out: an immutable [Page] of status codes, header values
// and bodies within their limits. Any goroutine may call it; it has no lock and no clock. It judges
// nothing, and only [Full] has the texts of errors.
package answer

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// A Page has every answer that a verdict can give.
type Page [len(states.Probes)]Answers

// Answers are the responses of one probe.
type Answers struct{ Short, Verbose, Stale Answer }

// An Answer is one response. The header values are shared by every request.
type Answer struct {
	Code   int
	Body   []byte
	Length []string
	Retry  []string
}

// Service is the answering service. If it is terse, it answers only its status.
type Service struct {
	Name, Version string
	Terse         bool
}

// Render makes the answers to a verdict.
func Render(v *judge.Verdict, service Service) (all Page) {
	for _, p := range states.Probes {
		r, stale := v.Probes[p], v.Effective(p, v.Time.Add(judge.StaleAfter+1))
		if service.Terse {
			short := answerOf(v, p, r, terse(r.State))
			all[p] = Answers{Short: short, Verbose: short, Stale: answerOf(v, p, stale, terse(stale.State))}
			continue
		}
		all[p] = Answers{
			Short:   answerOf(v, p, r, body(v, service, p, r, bodyOptions{limit: maxBody})),
			Verbose: answerOf(v, p, r, body(v, service, p, r, bodyOptions{limit: maxVerbose, verbose: true, shadow: v.Would(p)})),
			Stale:   answerOf(v, p, stale, body(v, service, p, stale, bodyOptions{limit: maxBody})),
		}
	}
	return all
}

// Full is the answer at a time, with all checks and the texts of errors.
func Full(v *judge.Verdict, service Service, p states.Probe, now time.Time) Answer {
	r, opt := v.Effective(p, now), bodyOptions{limit: math.MaxInt, verbose: true, errors: true}
	if !v.Stale(now) {
		opt.shadow = v.Would(p)
	}
	return answerOf(v, p, r, body(v, service, p, r, opt))
}

func terse(s verdict.State) []byte { return []byte(`{"status":"` + string(s) + "\"}\n") }

// retrySeconds limits Retry-After, so that a client asks again before the end of a long
// maintenance.
const retrySeconds = 300

func answerOf(v *judge.Verdict, p states.Probe, r judge.ProbeResult, body []byte) Answer {
	a := Answer{Code: http.StatusOK, Body: body, Length: []string{strconv.Itoa(len(body))}}
	if r.State == verdict.Fail {
		a.Code = http.StatusServiceUnavailable
		if p == states.Readiness && v.Phase == states.Maintenance {
			left := int(math.Ceil(v.Until.Sub(v.Time).Seconds()))
			a.Retry = []string{strconv.Itoa(min(max(1, left), retrySeconds))}
		}
	}
	return a
}
