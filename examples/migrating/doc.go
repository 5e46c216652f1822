// Package migrating has the code of ../../docs/migrating.md: each library with its usual code, and
// the same checks for healthcheck.
package migrating

import (
	"context"
	"database/sql"
)

// deps are the dependencies of the example services.
type deps struct {
	db     *sql.DB
	search func(context.Context) error
}
