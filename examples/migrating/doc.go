// Package migrating is the code of ../migrating.md: each library as its users write
// it, and the same checks for healthcheck.
package migrating

import (
	"context"
	"database/sql"
)

// deps is what the service of the examples depends on.
type deps struct {
	db     *sql.DB
	search func(context.Context) error
}
