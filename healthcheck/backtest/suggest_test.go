package backtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/backtest"
)

func suggestions(url string, perWeek float64) backtest.SuggestOptions {
	return backtest.SuggestOptions{
		Options: backtest.Options{Config: Health(), URL: url, Selector: `job="orders"`,
			From: time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC), To: time.Date(2026, 10, 1, 13, 0, 0, 0, time.UTC)},
		PerWeek: []float64{perWeek},
	}
}

// An hour is short, so this example allows more warnings than anybody would want: 300 a week.
func ExampleSuggest() {
	url, stop := orders().start()
	defer stop()
	s, err := backtest.Suggest(context.Background(), suggestions(url, 300))
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = s.WriteText(os.Stdout)
	// Output:
	// Limits for 2 rules on job="orders", 2026-10-01 12:00:00Z to 2026-10-01 13:00:00Z. Warnings are those of each instance.
	//
	// queue: queue.length, 1.99 hours of 2 instances
	//   median 20, p90 20, p99 95, p99.9 95, max 95
	//   p99 by hour (UTC): lowest 95 (12 h), highest 95 (12 h)
	//   p99 by instance:   lowest 20 (a), highest 95 (b)
	//   at most 300 warnings a week: 95 (0 counted, at most 194 a week with 90 % certainty); 94 would have made 1
	//   The worst times. If one was a real fault, leave it out:
	//     --incident 2026-10-01T12:30:00Z/2026-10-01T12:34:45Z
	//
	// failures: increase of jobs.failed, 1.99 hours of 2 instances
	//   median 0, p90 0, p99 16, p99.9 16, max 16
	//   p99 by hour (UTC): lowest 16 (12 h), highest 16 (12 h)
	//   p99 by instance:   lowest 0 (a), highest 16 (b)
	//   at most 300 warnings a week: 16 (0 counted, at most 194 a week with 90 % certainty); 15 would have made 1
	//   The worst times. If one was a real fault, leave it out:
	//     --incident 2026-10-01T12:33:00Z/2026-10-01T12:38:30Z
	//
	// With the first limit of each rule as Fail:
	//            PASS      WARN  FAIL  CAN'T TELL      FLIPS  FIRST NOT READY  LAST UNTIL
	// readiness  93.750 %  0     0     8 min (6.25 %)  0      -                -
	//   most out at once: none
}

// TestSuggest: if a flag leaves the incident out, the limit is that of the other times.
func TestSuggest(t *testing.T) {
	url, stop := orders().start()
	defer stop()
	o := suggestions(url, 300)
	s, err := backtest.Suggest(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	queue := s.Rules[0]
	if l := queue.Limits[0]; !l.Found || l.Limit != 95 || l.Easier != 94 || l.EasierCounted != 1 || len(queue.Worst) == 0 {
		t.Fatalf("%+v, worst %v", l, queue.Worst)
	}
	if s.With == nil || s.With.Ready.Fail != 0 {
		t.Errorf("with the limit: %+v", s.With)
	}
	worst := queue.Worst[0]
	if want := time.Date(2026, 10, 1, 12, 30, 0, 0, time.UTC); !worst.From.Equal(want) || worst.To.Sub(worst.From) < 4*time.Minute {
		t.Errorf("the worst time is %v", worst)
	}
	set := flag.NewFlagSet("suggest", flag.ContinueOnError)
	run := backtest.SuggestFlags(set)
	err = set.Parse([]string{"-url", url, "-selector", `job="orders"`, "-from", "2026-10-01T12:00", "-to", "2026-10-01T13:00", "-per-week", "400", "-format", "json",
		"-incident", worst.From.Format(time.RFC3339) + "/" + worst.To.Format(time.RFC3339)})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if code, err := run(t.Context(), Health(), &out, io.Discard); code != backtest.Well || err != nil {
		t.Fatal(code, err)
	}
	var without backtest.Suggestions
	if err := json.Unmarshal(out.Bytes(), &without); err != nil {
		t.Fatal(err)
	}
	if l := without.Rules[0].Limits[0]; !l.Found || l.Limit != 20 || l.Counted != 0 || len(without.Incidents) != 1 {
		t.Errorf("without the incident: %+v", l)
	}
}

// TestSuggestMistakes: if the time is too short, the error says how long is enough. Other errors name the
// flag.
func TestSuggestMistakes(t *testing.T) {
	url, stop := orders().start()
	defer stop()
	s, err := backtest.Suggest(t.Context(), suggestions(url, 1))
	if err != nil {
		t.Fatal(err)
	}
	if l := s.Rules[0].Limits[0]; l.Found || !strings.Contains(l.Why, "1.99 hours are too short: even without a warning the bound is 194 a week; take 2.3 weeks or more") || s.With != nil {
		t.Errorf("an hour: %+v", l)
	}
	if _, err := backtest.Suggest(t.Context(), suggestions(url, -1)); err == nil || !strings.Contains(err.Error(), "-1 warnings a week: write a number above 0") {
		t.Error(err)
	}
	for _, args := range [][]string{{"-per-week", "x"}, {"-incident", "2026-10-01"}, {"-incident", "2026-10-02/2026-10-01"}} {
		set := flag.NewFlagSet("suggest", flag.ContinueOnError)
		set.SetOutput(io.Discard)
		backtest.SuggestFlags(set)
		if err := set.Parse(args); err == nil || !strings.Contains(err.Error(), args[0]) {
			t.Errorf("%v: %v", args, err)
		}
	}
}

// Your own program can have the flags of otelhealth suggest.
func ExampleSuggestFlags() {
	url, stop := orders().start()
	defer stop()
	set := flag.NewFlagSet("suggest", flag.ContinueOnError)
	run := backtest.SuggestFlags(set)
	if err := set.Parse([]string{"-url", url, "-selector", `job="orders"`, "-from", "2026-10-01T12:00", "-to", "2026-10-01T13:00", "-format", "json"}); err != nil {
		fmt.Println(err)
		return
	}
	var out bytes.Buffer
	code, err := run(context.Background(), Health(), &out, os.Stderr)
	var s backtest.Suggestions
	fmt.Println(code, err, json.Unmarshal(out.Bytes(), &s), s.Rules[0].Name, s.Rules[0].Limits[0].Why)
	// Output: 0 <nil> <nil> queue 1.99 hours are too short: even without a warning the bound is 194 a week; take 2.3 weeks or more
}
