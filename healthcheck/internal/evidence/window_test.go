package evidence

import (
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/rule"
)

// lateTicks samples a counter that grows every 30 s, for an hour. The ticks come 0 to 48 ms late. It
// returns how many of them crossed the limit.
func lateTicks(limit rule.Rule) (crossed int) {
	s := samplerOf(limit)
	began, random := time.Unix(1e9, 0), uint32(1)
	for second := range 3600 {
		random = random*1664525 + 1013904223
		at := began.Add(time.Duration(second)*time.Second + time.Duration(random>>16%49)*time.Millisecond)
		beats := int64(at.Sub(began.Add(20*time.Millisecond))/(30*time.Second)) + 1
		s.Sample(at, collection("", counter(cum, point(beats, "s", "1"))))
		for _, m := range read(s).Groups {
			if m.Crossed != nil {
				crossed++
			}
		}
	}
	return crossed
}

// TestLateTicks: the counter grows every 30 s. A window of 30 s that is a little too short would sometimes contain no
// growth, and a window of 29 s that is a tick too long would contain two.
func TestLateTicks(t *testing.T) {
	beats := func(fail rule.Limit) rule.Rule {
		return rule.Rule{Value: rule.Increase("m"), Window: 30 * time.Second, Fail: fail}
	}
	if n := lateTicks(beats(rule.Below(1))); n > 0 {
		t.Errorf("a beat every 30 s fails at %d ticks of an hour", n)
	}
	few := rule.Rule{Value: rule.Increase("m"), Window: 29 * time.Second, Fail: rule.Above(1)}
	if n := lateTicks(few); n > 0 {
		t.Errorf("a window of 29 s has both of two beats at %d ticks of an hour", n)
	}
}
