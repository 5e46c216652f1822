package checks

import (
	"context"

	"github.com/otelhealth/otelhealth/healthcheck/internal/run"
)

// IgnorePeers is a check of something without which the instance must never serve, such as the right
// schema. With healthcheck.Config.Peers, a failing core check leaves the instance in if most of its
// peers fail too. This one takes it out:
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
