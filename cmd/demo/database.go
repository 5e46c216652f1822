package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	_ "modernc.org/sqlite"

	"github.com/otelhealth/otelhealth/telemetry"
)

// database keeps the results of jobs, in SQLite or in PostgreSQL.
type database struct {
	sql    *sql.DB
	dollar bool // use PostgreSQL's $1 instead of ?1
	close  func() error
	ready  atomic.Bool // the table exists

	down  atomic.Bool
	panic atomic.Bool
	hang  pause
}

// errFault is the error of a resource while its fault is on.
type errFault string

func (e errFault) Error() string     { return string(e) + ": the fault is on" }
func (e errFault) ErrorType() string { return string(e) }

// openDatabase opens the database that the configuration names.
func openDatabase(ctx context.Context, cfg config, tel *telemetry.Telemetry) (*database, error) {
	if cfg.databaseURL == "" {
		db, err := openSQLite(ctx, cfg.data)
		if err != nil {
			return nil, fmt.Errorf("-data: %w", err)
		}
		return db, nil
	}
	db, err := openPostgres(ctx, cfg.databaseURL, tel)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	return db, nil
}

// openSQLite opens the database in dir, and creates it if it is missing.
func openSQLite(ctx context.Context, dir string) (*database, error) {
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
	db.SetMaxOpenConns(workers)
	d := &database{sql: db, close: db.Close}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := d.up(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", dir, err), db.Close())
	}
	return d, nil
}

// openPostgres prepares an instrumented pool. It does not dial yet, because the demo starts without
// its database and reports that it is down.
func openPostgres(ctx context.Context, dsn string, tel *telemetry.Telemetry) (*database, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("not a connection string like postgres://user@localhost:5432/jobs") // err repeats the string, and the string may hold a password
	}
	cfg.ConnConfig.Tracer = otelpgx.NewTracer(otelpgx.WithTracerProvider(tel.TracerProvider), otelpgx.WithMeterProvider(tel.MeterProvider),
		otelpgx.WithDisableConnectionDetailsInAttributes())
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := otelpgx.RecordStats(pool, otelpgx.WithStatsMeterProvider(tel.MeterProvider),
		otelpgx.WithStatsAttributes(semconv.DBClientConnectionPoolName("jobs"))); err != nil {
		return nil, err
	}
	db := stdlib.OpenDBFromPool(pool)
	return &database{sql: db, dollar: true, close: func() error { defer pool.Close(); return db.Close() }}, nil
}

// up returns an error while the fault is on. It creates the table if it does not exist yet. Every
// call starts with it.
func (d *database) up(ctx context.Context) error {
	if d.down.Load() {
		return errFault("database-down")
	}
	if d.ready.Load() {
		return nil
	}
	_, err := d.sql.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS results (id TEXT PRIMARY KEY, result TEXT NOT NULL)`)
	if err == nil {
		d.ready.Store(true)
	}
	return err
}

// ping is the check. The faults hang-check and panicking-check act here, because they simulate a
// bad check and not a bad database.
func (d *database) ping(ctx context.Context) error {
	if d.panic.Load() {
		panic("panicking-check: the fault is on")
	}
	d.hang.wait(nil) // ignores ctx, as a bad check does
	if err := d.up(ctx); err != nil {
		return err
	}
	var any int // read the table, because SELECT 1 would not touch the file
	return d.sql.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM results LIMIT 1) AS one`).Scan(&any)
}

func (d *database) store(ctx context.Context, id, result string) error {
	if err := d.up(ctx); err != nil {
		return err
	}
	_, err := d.sql.ExecContext(ctx, d.query(`INSERT INTO results (id, result) VALUES (?1, ?2)`), id, result)
	return err
}

func (d *database) result(ctx context.Context, id string) (result string, found bool, err error) {
	if err := d.up(ctx); err != nil {
		return "", false, err
	}
	err = d.sql.QueryRowContext(ctx, d.query(`SELECT result FROM results WHERE id = ?1`), id).Scan(&result)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return result, err == nil, err
}

func (d *database) query(s string) string {
	if d.dollar {
		return strings.ReplaceAll(s, "?", "$")
	}
	return s
}
