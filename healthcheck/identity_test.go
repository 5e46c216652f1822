package healthcheck

import (
	"os"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/otelhealth/otelhealth/healthcheck/internal/answer"
)

// TestUnreplacedIdentity: a name, a version or an id is ignored if it looks like a variable that was not
// replaced, also in the resource of the user's own provider. Otherwise all instances would have the same id, and
// run their checks at the same moment.
func TestUnreplacedIdentity(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	binary := New(Config{}).identity.Load().service
	for said, applies := range map[string]bool{"orders": true, "": false, " ": false, "$(POD_UID)": false, "pod-${NAME}": false} {
		m := New(Config{})
		m.collected(&metricdata.ResourceMetrics{Resource: resource.NewSchemaless(
			attribute.String("service.name", said), attribute.String("service.version", said), attribute.String("service.instance.id", said))})
		want := identity{binary, host}
		if applies {
			want = identity{answer.Service{Name: said, Version: said}, said}
		}
		if got := *m.identity.Load(); got.service.Name != want.service.Name || got.service.Version != want.service.Version || got.instance != want.instance {
			t.Errorf("%q: %+v", said, got)
		}
	}
}
