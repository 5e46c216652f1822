package blackbox

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
)

// The functions in which workers are stuck. Each ends when release is closed.
type wedges struct {
	release chan struct{}
	full    chan int
	none    chan int
	mu      sync.Mutex
	rw      sync.RWMutex
	group   sync.WaitGroup
	pipe    *os.File
	db      *sql.DB
	client  *http.Client
	url     string
	stop    atomic.Bool
	turns   int
}

func (w *wedges) sendsToFullChannel(context.Context) { w.full <- 1 }
func (w *wedges) receivesFromNobody(context.Context) { <-w.none }
func (w *wedges) locksMutex(context.Context)         { w.mu.Lock(); defer w.mu.Unlock() }
func (w *wedges) writesLock(context.Context)         { w.rw.Lock(); defer w.rw.Unlock() }
func (w *wedges) waitsForGroup(context.Context)      { w.group.Wait() }
func (w *wedges) readsPipe(context.Context)          { w.pipe.Read(make([]byte, 1)) }
func (w *wedges) asksDatabase(ctx context.Context)   { w.db.QueryContext(ctx, "") }

func (w *wedges) asksWithLeakedBodies(context.Context) {
	if r, err := w.client.Get(w.url); err == nil {
		r.Body.Close()
	}
}

func (w *wedges) selects(context.Context) {
	select {
	case <-w.none:
	case <-w.release:
	}
}

func (w *wedges) spins(context.Context) {
	for !w.stop.Load() {
		w.turns++
	}
}

type noDriver struct{}

func (noDriver) Connect(context.Context) (driver.Conn, error) { return noConn{}, nil }
func (noDriver) Driver() driver.Driver                        { return nil }

type noConn struct{ driver.Conn }

func (noConn) Close() error                        { return nil }
func (noConn) Prepare(string) (driver.Stmt, error) { return nil, driver.ErrBadConn }

// TestWedges: ten kinds of stuck worker each have the right function. A second worker is not mistaken for it.
func TestWedges(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-release
	}))
	defer server.Close()
	w := &wedges{
		release: release, full: make(chan int), none: make(chan int), pipe: read, db: sql.OpenDB(noDriver{}),
		client: &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1, DialContext: (&net.Dialer{}).DialContext}}, url: server.URL,
	}
	w.db.SetMaxOpenConns(1)
	taken, err := w.db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	leaked, err := w.client.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	w.rw.Lock()
	w.group.Add(1)
	kinds := map[string]struct {
		work       func(context.Context)
		function   string
		wait, call string
	}{
		"send":    {w.sendsToFullChannel, "sendsToFullChannel", "chan send", ""},
		"receive": {w.receivesFromNobody, "receivesFromNobody", "chan receive", ""},
		"mutex":   {w.locksMutex, "locksMutex", "sync.Mutex", "sync.(*Mutex).Lock"},
		"rwmutex": {w.writesLock, "writesLock", "sync.RWMutex", "sync.(*RWMutex).Lock"},
		"group":   {w.waitsForGroup, "waitsForGroup", "sync.WaitGroup", "sync.(*WaitGroup).Wait"},
		"select":  {w.selects, "selects", "select", ""},
		"read":    {w.readsPipe, "readsPipe", "the network or a file", "os.(*File).Read"},
		"pool":    {w.asksDatabase, "asksDatabase", "a free connection of database/sql", "sql.(*DB).QueryContext"},
		"spin":    {w.spins, "spins", "", ""},
		"bodies":  {w.asksWithLeakedBodies, "asksWithLeakedBodies", "a connection of net/http", "http.(*Client).Get"},
	}
	m := healthcheck.New(healthcheck.Config{})
	var all sync.WaitGroup
	for name, k := range kinds {
		worker := NewWorker(m, name, time.Minute)
		all.Go(func() { worker.Do(t.Context(), k.work) })
	}
	for name, k := range kinds {
		var places []place
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) { // until it is stuck
			places = placesOf(takeCensus().groups, name)
			if len(places) == 1 && places[0].wait == k.wait && places[0].callee == k.call {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %v", name, places)
			}
		}
		if got := places[0]; got.function != "blackbox.(*wedges)."+k.function {
			t.Errorf("%s: %s", name, got)
		}
	}
	close(w.release)
	w.stop.Store(true)
	<-w.full
	w.none <- 1
	w.mu.Unlock()
	w.rw.Unlock()
	w.group.Done()
	write.Close()
	taken.Close()
	leaked.Body.Close()
	all.Wait()
	w.db.Close()
	w.client.CloseIdleConnections()
}

// TestTraps: a goroutine without a function of the service, or with only the label, has no place.
func TestTraps(t *testing.T) {
	own := "github.com/otelhealth/otelhealth/healthcheck/blackbox.(*Worker).Do"
	frame := func(function, file string) runtime.Frame { return runtime.Frame{Function: function, File: file} }
	labelled := map[string]string{workerLabel: "jobs"}
	for name, c := range map[string]struct {
		groups []group
		want   string
	}{
		"a connection that the work has dialled": {[]group{{1, labelled, []runtime.Frame{frame("net/http.(*persistConn).readLoop", "")}}}, ""},
		"a helper":                               {[]group{{1, labelled, []runtime.Frame{frame("runtime.chansend", ""), frame("main.send", ""), frame("example.com/lib.Each", ""), frame("main.work", ""), frame(own, "")}}}, "main.send (chan send), called by main.work"},
		"another worker":                         {[]group{{1, map[string]string{workerLabel: "other"}, []runtime.Frame{frame("main.work", ""), frame(own, "")}}}, ""},
		"no label":                               {[]group{{1, nil, []runtime.Frame{frame("main.work", ""), frame(own, "")}}}, ""},
		"a library alone":                        {[]group{{1, labelled, []runtime.Frame{frame("runtime.chanrecv", ""), frame("example.com/lib.wait", ""), frame("example.com/lib.Work", ""), frame("runtime/pprof.Do", ""), frame(own, "")}}}, "lib.Work, in lib.wait (chan receive)"},
		"a library behind a function of Go":      {[]group{{1, labelled, []runtime.Frame{frame("example.com/lib.Work", ""), frame("sync.OnceFunc.func1", ""), frame(own, "")}}}, ""},
		"waiting inside of sync.Once":            {[]group{{1, labelled, []runtime.Frame{frame("runtime.chanrecv", ""), frame("example.com/lib.Init", ""), frame("sync.(*Once).doSlow", ""), frame("main.work", ""), frame(own, "")}}}, "main.work, in sync.(*Once).doSlow (chan receive)"},
		"waiting for sync.Once":                  {[]group{{1, labelled, []runtime.Frame{frame("runtime.gopark", ""), frame("internal/sync.(*Mutex).Lock", ""), frame("sync.(*Mutex).Lock", ""), frame("sync.(*Once).doSlow", ""), frame("main.work", ""), frame(own, "")}}}, "main.work, in sync.(*Once).doSlow (sync.Once)"},
		"dialling for database/sql":              {[]group{{1, labelled, []runtime.Frame{frame("runtime.gopark", ""), frame("internal/poll.runtime_pollWait", ""), frame("net.(*netFD).connect", ""), frame("database/sql.(*DB).conn", ""), frame("main.work", ""), frame(own, "")}}}, "main.work, in sql.(*DB).conn (the network or a file)"},
		"Go's function inlined, -trimpath":       {[]group{{1, labelled, []runtime.Frame{frame("main.work.Values[...].func1", "slices/iter.go"), frame("main.work", "github.com/otelhealth/otelhealth/healthcheck/x/main.go"), frame(own, "")}}}, "main.work, in main.work.Values[...].func1 (running)"},
		"Go's function inlined":                  {[]group{{1, labelled, []runtime.Frame{frame("main.work.Values[...].func1", goRoot()+"slices/iter.go"), frame("main.work", "/src/main.go"), frame(own, "")}}}, "main.work, in main.work.Values[...].func1 (running)"},
		"a library's function inlined into main": {[]group{{1, labelled, []runtime.Frame{frame("main.work.func1", "/go/pkg/mod/example.com/lib@v1.2.3/all.go"), frame("main.work", "/src/main.go"), frame(own, "")}}}, "main.work, in main.work.func1 (running)"},
		"its caller outside of Do":               {[]group{{1, labelled, []runtime.Frame{frame("example.com/lib.Work", ""), frame(own, ""), frame("main.main", "")}}}, "lib.Work (running)"},
		"two places": {[]group{
			{1, labelled, []runtime.Frame{frame("main.a", ""), frame(own, "")}},
			{3, labelled, []runtime.Frame{frame("runtime.chansend", ""), frame("main.b", ""), frame(own, "")}},
			{2, labelled, []runtime.Frame{frame("runtime.chansend", ""), frame("main.b", ""), frame(own, ""), frame("main.c", "")}},
		}, "main.b (chan send), 5 goroutines; main.a (running)"},
	} {
		var texts []string
		for _, p := range placesOf(c.groups, "jobs") {
			texts = append(texts, p.String())
		}
		if got := strings.Join(texts, "; "); got != c.want {
			t.Errorf("%s: %q; want %q", name, got, c.want)
		}
	}
}
