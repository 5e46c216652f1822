package checks

import "github.com/otelhealth/otelhealth/healthcheck/internal/run"

// Warning turns an error of a Check's Func into a warning instead of a failure. The response has its
// class, not its text. Warning(nil) is nil.
func Warning(err error) error {
	if err == nil {
		return nil
	}
	return run.Warning(err)
}
