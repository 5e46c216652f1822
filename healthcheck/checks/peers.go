package checks

import (
	"context"

	"github.com/otelhealth/otelhealth/healthcheck/internal/run"
)

// IgnorePeers makes a check decide without the peers. With healthcheck.Config.Peers, an instance with a
// failing core check stays ready if most of its peers fail too. A failure of this check takes it out even
// then. Use it if the instance must not serve at all, for example with the wrong schema:
//
//	healthcheck.Check{Name: "schema", Func: checks.IgnorePeers(schemaIsNew)}
func IgnorePeers(f func(context.Context) error) func(context.Context) error {
	if f == nil {
		return nil
	}
	return func(ctx context.Context) error {
		run.Alone(ctx)
		return f(ctx)
	}
}
