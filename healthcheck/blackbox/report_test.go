package blackbox

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// TestInstrument: records are counted by probe, and by the class of the error if they can't be written.
func TestInstrument(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, t.TempDir())
		r.wait(5 * time.Second)
		r.fail(errSecret)
		r.wait(time.Minute)
		if err := os.Rename(r.dir, r.dir+"-gone"); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(r.dir, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		go r.worker.Do(t.Context(), func(ctx context.Context) { <-ctx.Done() })
		r.wait(2 * time.Minute)
		var rm metricdata.ResourceMetrics
		if err := r.reader.Collect(t.Context(), &rm); err != nil || len(rm.ScopeMetrics) != 1 {
			t.Fatal(rm, err)
		}
		m := rm.ScopeMetrics[0].Metrics[0]
		sum := m.Data.(metricdata.Sum[int64])
		got := map[string]int64{}
		keys := map[string]bool{}
		for _, p := range sum.DataPoints {
			probe, _ := p.Attributes.Value("health.probe.name")
			class, _ := p.Attributes.Value("error.type")
			got[probe.AsString()+" "+class.AsString()] = p.Value
			for _, kv := range p.Attributes.ToSlice() {
				keys[string(kv.Key)] = true
			}
		}
		if len(got) != 2 || got["readiness "] != 1 || got["liveness not_a_directory"] != 1 {
			t.Errorf("%v", got)
		}
		line := fmt.Sprintf("%s | counter | %s | %s | %s\n", m.Name, m.Unit, strings.Join(slices.Sorted(maps.Keys(keys)), " "), m.Description)
		if want, err := os.ReadFile("testdata/instruments.txt"); err != nil || line != string(want) {
			t.Errorf("testdata/instruments.txt differs (%v): %s", err, line)
		}
		r.stop()
	})
}
