package blackbox

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// ledger keeps its lock while it asks somebody else.
type ledger struct {
	mu    sync.Mutex
	reply chan struct{}
}

func (l *ledger) archive() { l.mu.Lock(); defer l.mu.Unlock(); <-l.reply }
func (l *ledger) post()    { l.mu.Lock(); defer l.mu.Unlock() }

// TestSuspects: if a worker waits for a lock, the record names the other method of the type. If a check gets
// no connection, the record counts the rows that a worker has opened.
func TestSuspects(t *testing.T) {
	l := &ledger{reply: make(chan struct{})}
	health := healthcheck.New(healthcheck.Config{})
	worker := NewWorker(health, "settlement", time.Minute)
	var running sync.WaitGroup
	defer running.Wait()
	defer close(l.reply)
	running.Go(l.archive)
	until(t, func() bool {
		if l.mu.TryLock() {
			l.mu.Unlock()
			return false
		}
		return true
	})
	running.Go(func() { worker.Do(t.Context(), func(context.Context) { l.post() }) })

	db := sql.OpenDB(rowsForever{})
	defer db.Close()
	digest := NewWorker(health, "digest", time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	digest.Do(ctx, func(ctx context.Context) {
		for range 3 {
			if _, err := db.QueryContext(ctx, "select"); err != nil { // they stay open on purpose
				t.Error(err)
			}
		}
	})
	want := []string{"also in blackbox.(*ledger), and not waiting for a lock: blackbox.(*ledger).archive (chan receive)", "open rows: digest 3"}
	until(t, func() bool {
		c := takeCensus()
		places := map[string][]place{"settlement": placesOf(c.groups, "settlement")}
		got := suspectsOf(c.groups, []verdict.Result{{Name: "database", State: verdict.Fail, Reason: "3 failures in a row, the last: timeout"}}, places)
		return strings.Join(got, "\n") == strings.Join(want, "\n")
	})
}

func until(t *testing.T, is func() bool) {
	t.Helper()
	for began := time.Now(); !is(); time.Sleep(time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatal("it does not come")
		}
	}
}

// rowsForever is a database whose queries return rows without an end.
type rowsForever struct{}

func (rowsForever) Connect(context.Context) (driver.Conn, error) { return rowsForever{}, nil }
func (rowsForever) Driver() driver.Driver                        { return nil }
func (rowsForever) Prepare(string) (driver.Stmt, error)          { return rowsForever{}, nil }
func (rowsForever) Begin() (driver.Tx, error)                    { return nil, driver.ErrSkip }
func (rowsForever) Close() error                                 { return nil }
func (rowsForever) NumInput() int                                { return 0 }
func (rowsForever) Exec([]driver.Value) (driver.Result, error)   { return nil, driver.ErrSkip }
func (rowsForever) Query([]driver.Value) (driver.Rows, error)    { return rowsForever{}, nil }
func (rowsForever) Columns() []string                            { return nil }
func (rowsForever) Next([]driver.Value) error                    { return io.EOF }
