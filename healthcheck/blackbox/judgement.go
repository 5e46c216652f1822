package blackbox

import (
	"fmt"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/guard"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// writeVerdict writes the probes, then the failing checks, then the rest.
func (i *incident) writeVerdict(w *bounded) {
	v := i.verdict
	fmt.Fprintf(w, "phase %s\n", v.Phase)
	for _, r := range []verdict.Result{v.Liveness, v.Readiness, v.Startup} {
		r.Name += " (probe)"
		writeResult(w, r, nil)
	}
	all := i.failing()
	for _, r := range v.Results {
		if !failing(&r) {
			all = append(all, r)
		}
	}
	texts := errorTexts{patience: 3}
	for _, r := range all {
		if w.over {
			return
		}
		writeResult(w, r, &texts)
	}
}

func writeResult(w *bounded, r verdict.Result, texts *errorTexts) {
	fmt.Fprintf(w, "%s: %s since %s", r.Name, r.State, r.Since.UTC().Format(time.RFC3339))
	if r.OnFail != "" {
		fmt.Fprintf(w, ", on failure %s", r.OnFail)
	}
	if r.Shadow {
		fmt.Fprint(w, " (in shadow)")
	}
	if r.Overridden {
		fmt.Fprint(w, " (overridden)")
	}
	if r.Value != nil {
		fmt.Fprintf(w, ", %.4g %s", *r.Value, r.Unit)
	}
	if r.TraceID != "" {
		fmt.Fprintf(w, ", trace %s", r.TraceID)
	}
	if r.Reason != "" {
		fmt.Fprintf(w, "\n  %s", r.Reason)
	}
	if r.Err != nil {
		fmt.Fprintf(w, "\n  %q", texts.of(r.Err))
	}
	fmt.Fprintln(w)
}

// errorTexts asks errors for their texts. Each may block for as long as package guard waits, so only a
// few may.
type errorTexts struct{ patience int }

func (t *errorTexts) of(err error) string {
	if t.patience == 0 {
		return "not asked, because other errors did not answer"
	}
	began := time.Now()
	text := guard.Text(err)
	if time.Since(began) >= guard.Limit {
		t.patience--
	}
	return text
}
