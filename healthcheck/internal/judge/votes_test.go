package judge

import (
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/memory"
	"github.com/otelhealth/otelhealth/healthcheck/internal/run"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/internal/votes"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// TestStaleVote: peers vote on a check that is stale after a failure. They don't vote on a check that is stale without
// a failure, because nobody can say whether a peer's success came after its last run.
func TestStaleVote(t *testing.T) {
	now := time.Now()
	peer := votes.Peer{Address: "10.0.0.2", Since: now, Asked: []string{"database"}, Sent: now, Heard: now,
		Answer: &votes.Answer{Instance: "b", Phase: states.Running, State: verdict.Fail, Admitted: true}}
	for what, starts := range map[string]run.Starts{
		"after a failure":   {Row: now.Add(-time.Minute), Failure: now.Add(-time.Minute)},
		"without a failure": {Success: now.Add(-time.Minute)},
	} {
		f := Finding{State: verdict.Pass}
		j := Judge{Subjects: []*Subject{{Name: "database", OnFail: states.NotReady, Evaluate: func(memory.Instant) Finding { return f }}}}
		in := Inputs{Now: now, Override: func(string) verdict.Effect { return "" }, Voting: true, Peers: []votes.Peer{peer}}
		in.Life.Current = states.Running
		v, _ := j.Next(nil, in)
		f.State, f.Starts = verdict.Stale, starts
		in.Now = now.Add(time.Second)
		v, _ = j.Next(v, in)
		voted := what == "after a failure"
		if ready := v.Probes[states.Readiness].State != verdict.Fail; (v.Checks[0].Vote != nil) != voted || ready != voted || len(v.Asks()) > 0 != voted {
			t.Errorf("%s: voted %v, ready %v", what, v.Checks[0].Vote, ready)
		}
	}
}
