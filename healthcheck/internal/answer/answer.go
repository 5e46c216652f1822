// Package answer writes what the probes answer, once a judgement, so that a probe only loads
// it.
//
// In: a judge.Verdict and who answers. Out: an immutable [Page] of status codes, header values
// and bodies within their limits. Any goroutine; no lock, no clock. It judges nothing, and the
// text of an error is only in [Full].
package answer

import (
	"math"
	"net/http"
	"strconv"

	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// answers are the responses of one probe, made when the verdict was.
type Answers struct{ Short, Verbose, Stale Answer }

// answer is one response. The header values are shared by every request.
type Answer struct {
	Code   int
	Body   []byte
	Length []string
	Retry  []string
}

// retrySeconds bounds Retry-After: a client should look in again before the end
// of a long maintenance.
const retrySeconds = 300

func answerOf(v *judge.Verdict, p verdict.Probe, r judge.Ruling, body []byte) Answer {
	a := Answer{Code: http.StatusOK, Body: body, Length: []string{strconv.Itoa(len(body))}}
	if r.State == verdict.Fail {
		a.Code = http.StatusServiceUnavailable
		if p == verdict.Readiness && v.Lifecycle == verdict.Maintenance {
			left := int(math.Ceil(v.Until.Sub(v.Time).Seconds()))
			a.Retry = []string{strconv.Itoa(min(max(1, left), retrySeconds))}
		}
	}
	return a
}
