package healthcheck

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// listen takes a free port.
func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// freeAddr returns an address without a listener.
func freeAddr(t *testing.T) string {
	t.Helper()
	l := listen(t)
	defer l.Close()
	return l.Addr().String()
}

// certified returns a certificate for 127.0.0.1, and a client that trusts it.
func certified(t *testing.T) (*tls.Config, *http.Client) {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	client := srv.Client()
	t.Cleanup(client.CloseIdleConnections)
	return &tls.Config{Certificates: srv.TLS.Certificates}, client
}

// eventually sends requests until a server has started and answers.
func eventually(t *testing.T, client *http.Client, url string) *http.Response {
	t.Helper()
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		res, err := client.Get(url)
		if err == nil {
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
			return res
		}
		if time.Since(began) > 30*time.Second {
			t.Fatalf("%s: %v", url, err)
		}
	}
}

// TestServe: at the end of the context readiness fails at once, requests are served for the drain
// delay, and requests in flight finish.
func TestServe(t *testing.T) {
	const drain = 300 * time.Millisecond
	k := newKit(t, Config{DrainDelay: drain})
	began, finish := make(chan struct{}), make(chan struct{})
	k.mux.HandleFunc("/slow", func(http.ResponseWriter, *http.Request) { close(began); <-finish })
	k.start()
	l := listen(t)
	served := make(chan error, 1)
	go func() { served <- k.Serve(&http.Server{Handler: k.handler}, l) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	ask := func(path string) int {
		res, err := client.Get("http://" + l.Addr().String() + path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return 0
		}
		res.Body.Close()
		return res.StatusCode
	}
	slow := make(chan int, 1)
	go func() { slow <- ask("/slow") }()
	<-began
	start := time.Now()
	k.cancel() // the end of the context ends Serve
	for ask("/ready") != 503 {
		if time.Since(start) > 30*time.Second {
			t.Fatal("readiness does not fail")
		}
	}
	if code := ask("/health"); code != 200 {
		t.Errorf("/health while draining: %d", code)
	}
	for { // the listener is open for the drain delay
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			break
		}
		c.Close()
		time.Sleep(time.Millisecond)
	}
	if d := time.Since(start); d < drain {
		t.Errorf("the listener closed after %v, before the drain delay", d)
	}
	select {
	case <-k.Drained():
	default:
		t.Error("the servers shut down before Drained is closed")
	}
	close(finish)
	if code := <-slow; code != 200 {
		t.Errorf("the request in flight: %d", code)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	if v := k.Verdict(); v.Readiness.State != verdict.Fail {
		t.Errorf("after Serve readiness is %s", v.Readiness.State)
	}
}

// TestServeClosesConnections: Serve closes the connections of answers while readiness fails, also of
// a handler without Wrap.
func TestServeClosesConnections(t *testing.T) {
	k := newKit(t, Config{}).start()
	mux := http.NewServeMux()
	mux.Handle("/ready", k.ReadinessHandler())
	mux.HandleFunc("/orders", func(http.ResponseWriter, *http.Request) {})
	l := listen(t)
	served := make(chan error, 1)
	go func() { served <- k.Serve(&http.Server{Handler: mux}, l) }()
	client := &http.Client{}
	defer client.CloseIdleConnections()
	url := "http://" + l.Addr().String() + "/orders"
	if res := eventually(t, client, url); res.Close {
		t.Error("a ready instance closes connections")
	}
	lift, err := k.Maintain("upgrade", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	k.evaluate()
	if res := eventually(t, client, url); res.StatusCode != 200 || !res.Close {
		t.Errorf("not ready: %d, closes %v; want an answer, and the end of its connection", res.StatusCode, res.Close)
	}
	lift()
	k.evaluate()
	if res := eventually(t, client, url); res.Close {
		t.Error("an instance that is ready again closes connections")
	}
	k.Stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// TestServeClosesOnce: Serve does not wrap a handler of Wrap or of an earlier Serve, so a request asks for
// readiness only once.
func TestServeClosesOnce(t *testing.T) {
	k, other, mux := newKit(t, Config{}).start(), newKit(t, Config{}), http.NewServeMux()
	for _, c := range []struct {
		what    string
		handler http.Handler
		another bool
	}{{"Wrap's", k.Wrap(mux), false}, {"Serve's", k.closing(mux), false}, {"another Monitor's", other.Wrap(mux), true}, {"a mux", mux, true}} {
		var h http.Handler
		made := testing.AllocsPerRun(10, func() { h = k.closing(c.handler) })
		runtime.KeepAlive(&h)
		if (made > 0) != c.another {
			t.Errorf("%s: %v allocations for a handler around it", c.what, made)
		}
	}
}

// TestStopEndsServe: Stop ends Serve at once, without a drain delay, because nothing is judged any
// more.
func TestStopEndsServe(t *testing.T) {
	k := newKit(t, Config{DrainDelay: time.Hour}).start()
	l := listen(t)
	served := make(chan error, 1)
	go func() { served <- k.Serve(&http.Server{Handler: k.handler}, l) }()
	eventually(t, http.DefaultClient, "http://"+l.Addr().String()+"/health")
	defer http.DefaultClient.CloseIdleConnections()
	k.Stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// TestNoDrainDelay: a negative drain delay means none.
func TestNoDrainDelay(t *testing.T) {
	k := newKit(t, Config{DrainDelay: -1}).start()
	l := listen(t)
	served := make(chan error, 1)
	go func() { served <- k.Serve(&http.Server{Handler: k.handler}, l) }()
	k.cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// TestShutdownTimeout: a request that does not end is cut off, and Serve returns an error.
func TestShutdownTimeout(t *testing.T) {
	k := newKit(t, Config{DrainDelay: -1, ShutdownTimeout: 10 * time.Millisecond})
	began, left := make(chan struct{}), make(chan struct{})
	k.mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) { close(began); <-r.Context().Done(); close(left) })
	k.start()
	l := listen(t)
	served := make(chan error, 1)
	go func() { served <- k.Serve(&http.Server{Handler: k.handler}, l) }()
	go func() {
		if res, err := http.Get("http://" + l.Addr().String() + "/slow"); err == nil {
			res.Body.Close()
			t.Error("the request was answered")
		}
	}()
	<-began
	k.cancel()
	if err := <-served; !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "requests in flight were cut off after 10ms") {
		t.Errorf("Serve: %v", err)
	}
	<-left
}

// TestServerThatFails: if a server fails, Serve returns its error and stops the Monitor.
func TestServerThatFails(t *testing.T) {
	k := newKit(t, Config{}).start()
	l := listen(t)
	served := make(chan error, 1)
	go func() { served <- k.Serve(&http.Server{Handler: k.handler}, l) }()
	eventually(t, http.DefaultClient, "http://"+l.Addr().String()+"/health")
	defer http.DefaultClient.CloseIdleConnections()
	l.Close()
	if err := <-served; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve: %v", err)
	}
	k.want("/ready", 503, verdict.Fail)
	<-k.Drained()
}

// TestSeveralServers: ListenAndServe shuts several servers down concurrently, one of them with TLS.
// The last one, the operators' server, answers until the others have ended.
func TestSeveralServers(t *testing.T) {
	config, client := certified(t)
	k := newKit(t, Config{DrainDelay: -1})
	began, finish := make(chan struct{}), make(chan struct{})
	k.mux.HandleFunc("/slow", func(http.ResponseWriter, *http.Request) { close(began); <-finish })
	k.start()
	plain, secure, last := freeAddr(t), freeAddr(t), freeAddr(t)
	var others atomic.Int64
	first := &http.Server{Addr: plain, Handler: k.handler}
	second := &http.Server{Addr: secure, Handler: k.handler, TLSConfig: config}
	first.RegisterOnShutdown(func() { others.Add(1) })
	second.RegisterOnShutdown(func() { others.Add(1) })
	served := make(chan error, 1)
	go func() {
		served <- k.ListenAndServe(first, second, &http.Server{Addr: last, Handler: k.DetailsHandler()})
	}()
	for url, proto := range map[string]string{"http://" + plain + "/ready": "HTTP/1.1", "https://" + secure + "/ready": "HTTP/2.0", "http://" + last + "/": "HTTP/1.1"} {
		if res := eventually(t, client, url); res.StatusCode != 200 || res.Proto != proto {
			t.Errorf("%s: %d by %s", url, res.StatusCode, res.Proto)
		}
	}
	slow := make(chan error, 1)
	go func() {
		res, err := client.Get("https://" + secure + "/slow")
		if err == nil {
			res.Body.Close()
		}
		slow <- err
	}()
	<-began
	k.cancel()
	for start := time.Now(); others.Load() < 2; time.Sleep(time.Millisecond) {
		if time.Since(start) > 30*time.Second {
			t.Fatal("the others do not shut down")
		}
	}
	if res := eventually(t, client, "http://"+last+"/"); res.StatusCode != 503 {
		t.Errorf("the last one answers %d while the second has a request in flight", res.StatusCode)
	}
	close(finish)
	if err := <-slow; err != nil {
		t.Errorf("the request in flight: %v", err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	if c, err := net.Dial("tcp", last); err == nil {
		c.Close()
		t.Error("the last one listens still")
	}
}

// TestServersThatCannotServe: servers that can't serve are errors at once, and no listener stays
// open.
func TestServersThatCannotServe(t *testing.T) {
	for name, c := range map[string]struct {
		servers func(taken string) []*http.Server
		want    string
	}{
		"none":            {func(string) []*http.Server { return nil }, "servers: is empty"},
		"no certificates": {func(string) []*http.Server { return []*http.Server{{Addr: "127.0.0.1:0", TLSConfig: &tls.Config{}}} }, "set Certificates or GetCertificate"},
		"a taken address": {func(taken string) []*http.Server { return []*http.Server{{Addr: "127.0.0.1:0"}, {Addr: taken}} }, "address already in use"},
	} {
		t.Run(name, func(t *testing.T) {
			l := listen(t)
			defer l.Close()
			k := newKit(t, Config{}).start()
			if err := k.ListenAndServe(c.servers(l.Addr().String())...); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// panickingListener is a listener of somebody else.
type panickingListener struct{ net.Listener }

func (panickingListener) Accept() (net.Conn, error) { panic("hunter2") }

// TestListenersThatCannotServe: a listener that panics is an error of Serve, and does not end the process.
func TestListenersThatCannotServe(t *testing.T) {
	if err := newKit(t, Config{}).start().Serve(&http.Server{}, nil); err == nil || !strings.Contains(err.Error(), "listener: is nil") {
		t.Errorf("nil: %v", err)
	}
	k := newKit(t, Config{}).start()
	if err := k.Serve(&http.Server{}, panickingListener{listen(t)}); err == nil || !strings.Contains(err.Error(), "panic of string") {
		t.Errorf("a panic: %v", err)
	}
	if err := k.Serve(&http.Server{}, listen(t)); !errors.Is(err, cfgerrors.ErrStopped) {
		t.Errorf("the Monitor has not stopped: %v", err)
	}
}

// TestTLSIsChosenByCertificates: a server with certificates serves TLS, for every way to configure
// them.
func TestTLSIsChosenByCertificates(t *testing.T) {
	config, client := certified(t)
	cert := &config.Certificates[0]
	for name, c := range map[string]*tls.Config{
		"Certificates":       config,
		"GetCertificate":     {GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert, nil }},
		"GetConfigForClient": {GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return config, nil }},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, Config{DrainDelay: -1}).start()
			l := listen(t)
			served := make(chan error, 1)
			go func() { served <- k.Serve(&http.Server{Handler: k.handler, TLSConfig: c.Clone()}, l) }()
			if res := eventually(t, client, "https://"+l.Addr().String()+"/ready"); res.StatusCode != 200 || res.TLS == nil {
				t.Errorf("%d, TLS %v", res.StatusCode, res.TLS)
			}
			k.cancel()
			if err := <-served; err != nil {
				t.Error(err)
			}
			client.CloseIdleConnections()
		})
	}
}

// TestListenBeforeStart: a call that is too early changes nothing, so the Monitor can still start.
func TestListenBeforeStart(t *testing.T) {
	m := New(Config{})
	err := m.ListenAndServe(&http.Server{Addr: "no address"})
	if !errors.Is(err, cfgerrors.ErrNotStarted) {
		t.Errorf("ListenAndServe before Start: %v", err)
	}
	if err := m.Start(t.Context()); err != nil {
		t.Errorf("Start after it: %v", err)
	}
	m.Stop()
}

// TestOwnShutdown: if the user shuts a server down, Serve returns nil.
func TestOwnShutdown(t *testing.T) {
	m := New(Config{DrainDelay: -1})
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{}
	ended := make(chan error, 1)
	go func() { ended <- m.Serve(srv, l) }()
	if res, err := http.Get("http://" + l.Addr().String()); err != nil { // it serves
		t.Fatal(err)
	} else {
		res.Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
	if err := srv.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if err := m.Serve(nil, nil); !errors.Is(err, cfgerrors.ErrStopped) {
		t.Errorf("Serve after it: %v", err)
	}
}
