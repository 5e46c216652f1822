package checks

import "github.com/otelhealth/otelhealth/healthcheck/internal/run"

// Warning turns an error into a warning: a run that returns it counts as a success, and the check warns.
// The response has the error's class, not its text. Warning(nil) is nil.
func Warning(err error) error {
	if err == nil {
		return nil
	}
	return run.Warning(err)
}
