package blackbox

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// TestStaysIn: an instance whose peers fail too is ready with a warning, and has a record. The record says
// that the instance stays ready.
func TestStaysIn(t *testing.T) {
	peer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"peers":1,"instance":"other","service":"orders","lifecycle":"running","state":"fail","admitted":true,"checks":{"database":{"worked":0}}}`)
	}))
	defer peer.Close()
	var broken atomic.Bool
	check := healthcheck.Check{Name: "database", Interval: time.Second, FailureThreshold: 1, Func: func(context.Context) error {
		if broken.Load() {
			return errors.New("down")
		}
		return nil
	}}
	health := healthcheck.New(healthcheck.Config{Peers: strings.TrimPrefix(peer.URL, "http://"), Checks: []healthcheck.Check{check}})
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithResource(resource.NewSchemaless(attribute.String("service.name", "orders"))))
	if err := health.StartWith(t.Context(), healthcheck.Pipeline{Reader: reader, MeterProvider: provider, Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	defer health.Stop()
	box, err := New(t.Context(), health, Options{Dir: t.TempDir(), TerminationLog: t.TempDir() + "/none", Logger: slog.New(slog.DiscardHandler), MeterProvider: provider})
	if err != nil {
		t.Fatal(err)
	}
	stays := 0
	for v := range health.Watch(t.Context()) {
		if v.Readiness.State == verdict.Pass {
			broken.Store(true)
		}
		if broken.Load() && v.Readiness.State == verdict.Fail {
			t.Fatalf("it leaves: %s", v.Readiness.Reason)
		}
		if strings.Contains(v.Readiness.Reason, "stays in") {
			stays++
		}
		if len(mustRecords(t, box)) > 0 || stays > 30 {
			break
		}
	}
	box.Close()
	all := mustRecords(t, box)
	if len(all) != 1 {
		t.Fatalf("%v", all)
	}
	if s := all[0].Summary; all[0].Probe != "readiness" || !strings.HasPrefix(s, "readiness warn since ") || !strings.Contains(s, ": database: ") || !strings.Contains(s, "; stays in") {
		t.Errorf("%s: %s", all[0].Probe, s)
	}
}

// TestLeavesLater: an instance that its peers keep ready has a record. It has another one when they don't
// keep it ready any more, and none when their votes make it ready again.
func TestLeavesLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, t.TempDir())
		r.wait(time.Minute)
		r.end() // the Monitor has no peers, so the test makes its verdicts
		r.wait(time.Second)
		b, written := r.box, []string{}
		b.writing = make(chan incident, 1)
		for _, step := range []struct {
			readiness, check verdict.State
			shadow           bool
			want             string // of the record
		}{
			{verdict.Pass, verdict.Pass, false, ""},
			{verdict.Warn, verdict.Warn, false, ""}, // about something else
			{verdict.Warn, verdict.Fail, true, ""},
			{verdict.Warn, verdict.Fail, false, "warn"},
			{verdict.Warn, verdict.Stale, false, ""},
			{verdict.Fail, verdict.Fail, false, "fail"},
			{verdict.Warn, verdict.Fail, false, ""},
			{verdict.Pass, verdict.Pass, false, ""},
			{verdict.Warn, verdict.Fail, false, "warn"},
		} {
			for range 5 {
				time.Sleep(time.Minute)
				b.see(&verdict.Verdict{
					Time: time.Now(), Phase: "running", Liveness: verdict.Result{Name: "liveness", State: verdict.Pass},
					Readiness: verdict.Result{Name: "readiness", State: step.readiness, Reason: "cache: slow"},
					Results:   []verdict.Result{{Name: "database", State: step.check, OnFail: healthcheck.NotReady, Shadow: step.shadow, Reason: "timeout; stays in, 1 of 1 peers fail too"}},
				}, time.Now())
				select {
				case i := <-b.writing:
					written = append(written, string(i.probe.State))
				default:
				}
			}
			if got := strings.Join(written, " "); got != step.want {
				t.Errorf("readiness %s, check %s: %q, want %q", step.readiness, step.check, got, step.want)
			}
			written = nil
		}
		r.stop()
	})
}
