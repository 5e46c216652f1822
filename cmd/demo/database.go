package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite"
)

// database keeps the results of jobs in SQLite.
type database struct {
	sql  *sql.DB
	down atomic.Bool
}

// errFault is what a resource answers while its fault is on.
type errFault string

func (e errFault) Error() string     { return string(e) + ": the fault is on" }
func (e errFault) ErrorType() string { return string(e) }

func openDatabase(ctx context.Context, dir string) (*database, error) {
	d := &database{}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", (&url.URL{
		Scheme: "file", Opaque: (&url.URL{Path: filepath.Join(dir, "jobs.db")}).EscapedPath(),
		RawQuery: "_pragma=busy_timeout(2000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)",
	}).String())
	if err != nil {
		return nil, err
	}
	d.sql = db
	db.SetMaxOpenConns(workers)
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if _, err := db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS results (id TEXT PRIMARY KEY, result TEXT NOT NULL)`); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", dir, err), d.close())
	}
	return d, nil
}

// up fails while the fault is on; every call asks it first.
func (d *database) up() error {
	if d.down.Load() {
		return errFault("database-down")
	}
	return nil
}

func (d *database) ping(ctx context.Context) error {
	if err := d.up(); err != nil {
		return err
	}
	var any int // from the table: a SELECT 1 would not touch the file
	return d.sql.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM results LIMIT 1)`).Scan(&any)
}

func (d *database) store(ctx context.Context, id, result string) error {
	if err := d.up(); err != nil {
		return err
	}
	_, err := d.sql.ExecContext(ctx, `INSERT OR REPLACE INTO results (id, result) VALUES (?, ?)`, id, result)
	return err
}

func (d *database) result(ctx context.Context, id string) (result string, found bool, err error) {
	if err := d.up(); err != nil {
		return "", false, err
	}
	err = d.sql.QueryRowContext(ctx, `SELECT result FROM results WHERE id = ?`, id).Scan(&result)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return result, err == nil, err
}

func (d *database) close() error {
	return d.sql.Close()
}
