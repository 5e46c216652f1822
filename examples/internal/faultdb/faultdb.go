// Package faultdb is a database/sql database with faults for tests. Every query returns one row,
// the word "paid".
//
// A test in another process breaks it by a file. The driver is named faultdb, and the name of
// the file is the data source:
//
//	db, err := sql.Open("faultdb", "broken") // nothing answers while the file broken exists
//
// If the file contains the word hold, pings are answered, and queries wait until the file is gone.
// Each waiting query adds a byte to the file broken.held, so that the test can count them.
package faultdb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"os"
	"sync/atomic"
	"time"
)

// DB is a database with faults. Tests may set them at any time.
type DB struct {
	Down    atomic.Bool  // every call fails
	Delay   atomic.Int64 // nanoseconds that a query takes; a ping takes none
	Queries atomic.Int64 // queries in flight

	file string // nothing answers while it exists
}

func init() { sql.Register("faultdb", files{}) }

// files opens databases that are broken by a file.
type files struct{}

func (files) Open(file string) (driver.Conn, error) {
	return (&DB{file: file}).Connect(context.Background())
}

// Open opens the database.
func (d *DB) Open() *sql.DB { return sql.OpenDB(d) }

var errDown = errors.New("faultdb: the database is down")

func (d *DB) up() error {
	if d.Down.Load() {
		return errDown
	}
	if text, exists := d.said(); exists && text != Hold {
		return errDown
	}
	return nil
}

// Hold is the text of a file that makes queries wait.
const Hold = "hold"

// said returns the text of the file, if there is one.
func (d *DB) said() (text string, exists bool) {
	if d.file == "" {
		return "", false
	}
	b, err := os.ReadFile(d.file)
	return string(b), err == nil
}

// held waits while the file contains Hold.
func (d *DB) held(ctx context.Context) error {
	for first := true; ; first = false {
		if text, _ := d.said(); text != Hold {
			return nil
		}
		if first {
			if err := d.tell(); err != nil {
				return err
			}
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tell adds a byte for a waiting query to the file .held.
func (d *DB) tell() error {
	f, err := os.OpenFile(d.file+".held", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(".")
	return errors.Join(err, f.Close())
}

// Connect and the methods below implement database/sql's interfaces.
func (d *DB) Connect(context.Context) (driver.Conn, error) {
	if err := d.up(); err != nil {
		return nil, err
	}
	return conn{d}, nil
}

func (d *DB) Driver() driver.Driver { return nil }

type conn struct{ db *DB }

func (c conn) Ping(context.Context) error { return c.db.up() }

func (c conn) QueryContext(ctx context.Context, _ string, _ []driver.NamedValue) (driver.Rows, error) {
	c.db.Queries.Add(1)
	defer c.db.Queries.Add(-1)
	select {
	case <-time.After(time.Duration(c.db.Delay.Load())):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := c.db.held(ctx); err != nil {
		return nil, err
	}
	if err := c.db.up(); err != nil {
		return nil, err
	}
	return &row{}, nil
}

func (conn) Prepare(string) (driver.Stmt, error) { return nil, errors.ErrUnsupported }
func (conn) Begin() (driver.Tx, error)           { return nil, errors.ErrUnsupported }
func (conn) Close() error                        { return nil }

type row struct{ read bool }

func (*row) Columns() []string { return []string{"state"} }
func (*row) Close() error      { return nil }

func (r *row) Next(dest []driver.Value) error {
	if r.read {
		return io.EOF
	}
	r.read, dest[0] = true, "paid"
	return nil
}
