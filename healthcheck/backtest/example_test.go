package backtest_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/backtest"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
)

// Health is the configuration of the service. A real one is in a package of its own, so that the
// service and this program use the same one.
func Health() healthcheck.Config {
	return healthcheck.Config{
		Checks: []healthcheck.Check{{Name: "database", Func: func(context.Context) error { return nil }}},
		Rules: []rule.Rule{
			{Name: "queue", Value: rule.Last("queue.length"), Fail: rule.Above(80), OnFail: healthcheck.NotReady},
			{Name: "failures", Value: rule.Increase("jobs.failed"), Window: 2 * time.Minute, Warn: rule.Above(10)},
		},
	}
}

// orders is an hour of two instances. The queue of b is too long for five minutes, and then its jobs fail.
func orders() *prometheus {
	p := &prometheus{}
	for _, instance := range []string{"a", "b"} {
		bad := func(n int) bool { return instance == "b" && n >= 120 && n < 140 }
		p.add(func(n int) float64 {
			if bad(n) {
				return 95
			}
			return 20
		}, 240, "__name__", "queue_length", "service_instance_id", instance)
		failed := 0.0
		p.add(func(n int) float64 {
			if bad(n - 10) {
				failed += 2
			}
			return failed
		}, 240, "__name__", "jobs_failed_total", "service_instance_id", instance)
	}
	return p
}

func ExampleRun() {
	url, stop := orders().start()
	defer stop()
	result, err := backtest.Run(context.Background(), backtest.Options{
		Config: Health(), URL: url, Selector: `job="orders"`,
		From: time.Date(2026, 10, 1, 12, 10, 0, 0, time.UTC), To: time.Date(2026, 10, 1, 13, 0, 0, 0, time.UTC),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = result.WriteText(os.Stdout)
	// Output:
	// Backtest of 2 rules on job="orders", 2 instances, 2026-10-01 12:10:00Z to 2026-10-01 13:00:00Z, 400 samples, every 15s.
	// States are those at the samples. What lasted for less than the time between two of them may be missing.
	//
	//            PASS      WARN   FAIL   CAN'T TELL     FLIPS  FIRST NOT READY       LAST UNTIL
	// readiness  91.750 %  3 min  5 min  30 s (0.50 %)  3      2026-10-01 12:30:00Z  2026-10-01 12:35:00Z
	//
	// Most out at once:  1 of 2, at 2026-10-01 12:30:00Z
	// Fewest ready:      1 of 2, at 2026-10-01 12:30:00Z
	//
	// RULE      ROLE       PASS      WARN   FAIL   CAN'T TELL     FLIPS  FIRST FAILURE         LAST UNTIL
	// queue     core       95.000 %  0      5 min  0 (0.00 %)     2      2026-10-01 12:30:00Z  2026-10-01 12:35:00Z
	// failures  auxiliary  95.500 %  4 min  0      30 s (0.50 %)  2      -                     -
	//   queue: queue.length, fails above 80
	//   failures: increase of jobs.failed over 2m, warns above 10
	//
	// Not ready:
	//   b: from 2026-10-01 12:30:00Z until 2026-10-01 12:35:00Z
	//
	// Not judged:
	//   database: it is a function, which has no past
}

// The whole program of a service is func main() { os.Exit(backtest.Main(health.Config())) }. Here the
// arguments are those of go run ./cmd/backtest -url …
func ExampleMain() {
	url, stop := orders().start()
	defer stop()
	os.Args = []string{"backtest", "-url", url, "-selector", `job="orders"`, "-from", "2026-10-01T12:10:00Z", "-to", "2026-10-01T13:00:00Z", "-format", "html", "-o", os.DevNull}
	fmt.Println(backtest.Main(Health()) == backtest.Ill)
	// Output: true
}

// A command can add its own flags to those of the backtest.
func ExampleFlags() {
	url, stop := orders().start()
	defer stop()
	set := flag.NewFlagSet("orders", flag.ContinueOnError)
	limit := set.Int("limit", 80, "of the queue")
	run := backtest.Flags(set)
	if err := set.Parse([]string{"-limit", "100", "-url", url, "-from", "2026-10-01T12:10:00Z", "-to", "2026-10-01T13:00:00Z"}); err != nil {
		fmt.Println(err)
		return
	}
	config := healthcheck.Config{Rules: []rule.Rule{{Name: "queue", Value: rule.Last("queue.length"), Fail: rule.Above(*limit), OnFail: healthcheck.NotReady}}}
	code, err := run(context.Background(), config, io.Discard, os.Stderr)
	fmt.Println(code == backtest.Well, err)
	// Output: true <nil>
}

// The result is data, so a test of yours can check your limits with it.
func ExampleResult_WriteHTML() {
	url, stop := orders().start()
	defer stop()
	result, err := backtest.Run(context.Background(), backtest.Options{
		Config: Health(), URL: url, From: time.Date(2026, 10, 1, 12, 10, 0, 0, time.UTC), To: time.Date(2026, 10, 1, 13, 0, 0, 0, time.UTC)})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range result.Instances[1].Rules["queue"] {
		fmt.Println(s.From.Format(time.TimeOnly), s.Low, s.Certain())
	}
	fmt.Println(result.Fleet.MostOut.High, "of", result.Fleet.Instances, "out at most,", result.WriteHTML(io.Discard))
	// Output:
	// 12:10:00 pass true
	// 12:30:00 fail true
	// 12:35:00 pass true
	// 1 of 2 out at most, <nil>
}
