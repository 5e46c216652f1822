package healthcheck

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, got, "", "  "); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	path := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(path, pretty.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(pretty.Bytes(), want) {
		t.Errorf("%s differs; got\n%s", path, pretty.Bytes())
	}
}

// TestBodies pins the bodies byte for byte. The clock of the bubble starts at
// 2000-01-01.
func TestBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var length atomic.Int64
		k := newKit(t,
			Check{Name: "database", Role: Core, ComponentType: "datastore", Func: func(context.Context) error { return nil }},
			Check{Name: "search", Failures: 1, Func: func(context.Context) error { return errDown }},
			Check{Name: "queue", Role: Core, Limit: Last("queue.length").Per("queue.name").AtMost(80).WarnAbove(50)},
			Check{Name: "latency", Limit: Quantile("http.server.request.duration", .99, 30*time.Second).AtMost(.5)},
			Check{Name: "typo", Role: Informational, Limit: Last("queue.lenght").AtLeast(1).WarnBelow(2)},
		)
		if _, err := NewQueue(k.provider, "jobs", 100, func() int { return int(length.Load()) }); err != nil {
			t.Fatal(err)
		}
		requests, err := k.provider.Meter("test").Float64Histogram("http.server.request.duration", metric.WithUnit("s"))
		if err != nil {
			t.Fatal(err)
		}
		k.Heartbeat("worker", 0)
		k.start()
		requests.Record(t.Context(), .1)
		wait(1100 * time.Millisecond)
		for range 99 {
			requests.Record(t.Context(), .1)
		}
		length.Store(95)
		wait(2400 * time.Millisecond)
		v := k.Verdict()
		for _, p := range states.Probes {
			golden(t, p.String(), v.page[p].Short.Body)
		}
		golden(t, "readiness-verbose", v.page[Readiness].Verbose.Body)
		golden(t, "readiness-stale", v.page[Readiness].Stale.Body)
		golden(t, "readiness-admin", v.JSON(Readiness))
		if bytes.Contains(v.page[Readiness].Verbose.Body, []byte("hunter2")) {
			t.Error("the text of an error is in a body for everyone")
		}
		if !bytes.Contains(v.JSON(Readiness), []byte("hunter2")) {
			t.Error("operators don't see the text of an error")
		}
	})
	golden(t, "unjudged", unjudged.page[Readiness].Short.Body)
}

// TestBodySize: under 1 KiB and 8 KiB however many checks there are and whatever
// they are called; the failing ones and the rules are the ones shown.
func TestBodySize(t *testing.T) {
	for _, n := range []int{1, 10, 100, 1000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var checks []Check
				for i := range n {
					checks = append(checks, Check{Name: fmt.Sprintf("a-%04d-%s", i, strings.Repeat("ü", 20)), Func: func(context.Context) error { return nil }})
				}
				for i := range min(n, 10) {
					checks = append(checks, Check{Name: fmt.Sprintf("bad-%d", i), Func: func(context.Context) error { return errDown }})
				}
				checks = append(checks,
					Check{Name: "zz-failing", Role: Core, Func: func(context.Context) error { return errDown }},
					Check{Name: "zz-queue", Limit: Last("queue.length").AtMost(80)},
					Check{Name: "zz-latency", Limit: Quantile("http.server.request.duration", .99, 30*time.Second).AtMost(.5)})
				k := newKit(t, checks...).start()
				if _, err := k.Maintain(strings.Repeat("<\x01", 400), time.Now().Add(time.Hour)); err != nil {
					t.Fatal(err)
				}
				wait(time.Second)
				v := k.Verdict()
				for _, a := range []struct {
					body []byte
					max  int
				}{{v.page[Readiness].Short.Body, 1 << 10}, {v.page[Readiness].Verbose.Body, 8 << 10}} {
					var b struct {
						Checks  map[string]any
						Omitted int
					}
					if err := json.Unmarshal(a.body, &b); err != nil {
						t.Fatal(err)
					}
					if len(a.body) >= a.max || len(b.Checks)+b.Omitted != len(checks) {
						t.Errorf("%d bytes of %d; %d checks and %d omitted of %d", len(a.body), a.max, len(b.Checks), b.Omitted, len(checks))
					}
					for _, must := range []string{"zz-queue", "zz-latency"} {
						if b.Checks[must] == nil {
							t.Errorf("%s is not shown", must)
						}
					}
				}
			})
		})
	}
}
