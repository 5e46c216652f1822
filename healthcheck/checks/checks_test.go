package checks_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/checks"
	"github.com/otelhealth/otelhealth/healthcheck/internal/leaktest"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// want runs a check in a Monitor and compares the class of its error. If the class is empty, the check must pass.
// It returns the error.
func want(t *testing.T, class string, check func(context.Context) error) error {
	t.Helper()
	m := healthcheck.New(healthcheck.Config{Checks: []healthcheck.Check{{Name: "check", Func: check, Timeout: time.Minute, Interval: time.Minute}}})
	if err := m.StartWith(t.Context(), healthcheck.Pipeline{Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	defer m.Stop()
	for v := range m.Watch(t.Context()) {
		r := v.Results[0]
		if r.State == verdict.Unknown {
			continue // the first run has not ended
		}
		_, got, _ := strings.Cut(r.Reason, "the last: ")
		if got != class {
			t.Errorf("class %q of %v; want %q", got, r.Err, class)
		}
		return r.Err
	}
	return nil
}

// TestClass: the class is shown and the error is kept, in a warning too.
func TestClass(t *testing.T) {
	err := checks.Class(io.ErrUnexpectedEOF, "half_a_page")
	if err.Error() != io.ErrUnexpectedEOF.Error() || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v is another error", err)
	}
	failing := func(err error) func(context.Context) error { return func(context.Context) error { return err } }
	want(t, "half_a_page", failing(err))
	want(t, "half_a_page", failing(fmt.Errorf("page 3: %w", err)))
	want(t, "outer", failing(checks.Class(err, "outer")))
	want(t, "connection_refused", failing(checks.Class(syscall.ECONNREFUSED, ""))) // as without Class
	want(t, "timeout", failing(checks.Class(context.DeadlineExceeded, "half_a_page")))
	want(t, "", failing(checks.Class(nil, "half_a_page")))
	for _, warning := range []error{checks.Warning(err), fmt.Errorf("page 3: %w", checks.Warning(err)), checks.Class(checks.Warning(io.ErrUnexpectedEOF), "half_a_page")} {
		m := healthcheck.New(healthcheck.Config{Checks: []healthcheck.Check{{Name: "check", Func: failing(warning)}}})
		if err := m.StartWith(t.Context(), healthcheck.Pipeline{Logger: slog.New(slog.DiscardHandler)}); err != nil {
			t.Fatal(err)
		}
		for v := range m.Watch(t.Context()) {
			if r := v.Results[0]; r.State != verdict.Unknown {
				if r.State != verdict.Warn || !strings.Contains(r.Reason, "half_a_page") {
					t.Errorf("%s: %q; want a warning with the class", r.State, r.Reason)
				}
				break
			}
		}
		m.Stop()
	}
}

func TestHTTP(t *testing.T) {
	var connections atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		code, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		if err != nil {
			<-r.Context().Done()
			return
		}
		if code/100 == 3 {
			http.Redirect(w, r, "/200", code)
			return
		}
		w.WriteHeader(code)
		if code != http.StatusNoContent {
			_, _ = io.WriteString(w, strings.Repeat("x", 32<<10))
		}
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	codes := map[int]string{200: "", 204: "", 301: "301", 302: "302", 404: "404", 500: "500", 503: "503"}
	for code, class := range codes {
		want(t, class, checks.HTTP(server.URL+"/"+strconv.Itoa(code)))
	}
	if n := connections.Load(); n != int64(len(codes)) {
		t.Errorf("%d connections for %d runs; want one for each", n, len(codes))
	}
	client := *server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	connections.Store(0)
	for code, class := range codes {
		want(t, class, checks.HTTPClient(&client, server.URL+"/"+strconv.Itoa(code)))
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections of a client of one's own; want one that is used again", n)
	}
	want(t, "", checks.HTTPClient(server.Client(), server.URL+"/302")) // it follows redirects
	for _, check := range []func(context.Context) error{checks.HTTP(server.URL + "/hang"), checks.HTTPClient(server.Client(), server.URL+"/hang")} {
		hung, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if err := check(hung); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a hung server: %v", err)
		}
		cancel()
	}
	server.Client().CloseIdleConnections()
	server.Close()
	want(t, "connection_refused", checks.HTTP(server.URL))
	want(t, "connection_refused", checks.HTTPClient(server.Client(), server.URL))

	refuse := httptest.NewServer(http.NotFoundHandler())
	defer refuse.Close()
	address := strings.Replace(refuse.URL, "://", "://user:hunter2@", 1)
	if err := want(t, "404", checks.HTTP(address)); strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the password is in %v", err)
	}
	for _, bad := range []string{"", "auth:8080", "auth:8080/health", "ftp://auth", "http://", "http://user:hunter2@a b/", "http:///health"} {
		if err := want(t, "invalid_argument", checks.HTTP(bad)); strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the password is in %v", err)
		}
	}
	want(t, "invalid_argument", checks.HTTPClient(nil, "http://auth"))
}

// TestHTTPEnds: when the context of a run has ended, no connection is left, also if the server does not answer the
// TLS handshake.
func TestHTTPEnds(t *testing.T) {
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	ctx, cancel := context.WithCancel(t.Context())
	run := make(chan error, 1)
	go func() { run <- checks.HTTP("https://" + mute.Addr().String())(ctx) }()
	conn, err := mute.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil { // of the handshake
		t.Fatal(err)
	}
	cancel()
	if err := <-run; !errors.Is(err, context.Canceled) {
		t.Errorf("the run ends with %v", err)
	}
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the run has ended and its connection is open")
	}
}

// TestHalfAnswer: a status with half a body is a failure.
func TestHalfAnswer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		if r.URL.Path == "/cut" {
			panic(http.ErrAbortHandler)
		}
		<-r.Context().Done()
	}))
	defer server.Close()
	if err := checks.HTTP(server.URL + "/cut")(t.Context()); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a body that is cut: %v", err)
	}
	late, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := checks.HTTP(server.URL + "/hang")(late); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a body that does not come: %v", err)
	}
}

func TestTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	want(t, "", checks.TCP(address))
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := conn.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("the server reads %d bytes, %v; want a connection that is closed", n, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	want(t, "canceled", func(context.Context) error { return checks.TCP(address)(ended) })
	l.Close()
	want(t, "connection_refused", checks.TCP(address))
	for _, bad := range []string{"", "broker", ":9092", "broker:", "a:b:c"} {
		want(t, "invalid_argument", checks.TCP(bad))
	}
}

// nameserver answers with the addresses that ask returns, or with none, or with the code of an
// error.
func nameserver(t *testing.T, host string) *net.Resolver {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { c.Close(); <-done })
	go func() {
		defer close(done)
		b := make([]byte, 512)
		for {
			_, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			// RFC 1035, 4.1: a header of 12 bytes, the name, its type and its class.
			name := 12
			for b[name] != 0 {
				name += 1 + int(b[name])
			}
			asked := b[12 : name+5]
			a := append([]byte{}, b[:2]...)
			a = append(a, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0) // a response to one question
			a = append(a, asked...)
			switch first := string(asked[1 : 1+asked[0]]); {
			case first == "broken":
				a[3] |= 2 // SERVFAIL
			case first != host:
				a[3] |= 3 // NXDOMAIN
			case binary.BigEndian.Uint16(b[name+1:]) == 1: // A
				a[7] = 1
				a = append(a, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1)
			}
			_, _ = c.WriteTo(a, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", c.LocalAddr().String())
	}}
}

func TestDNS(t *testing.T) {
	before := net.DefaultResolver
	defer func() { net.DefaultResolver = before }()
	net.DefaultResolver = nameserver(t, "database")
	want(t, "", checks.DNS("database.internal."))
	want(t, "name_not_found", checks.DNS("databose.internal."))
	want(t, "name_resolution_error", checks.DNS("broken.internal."))
	for _, bad := range []string{"", "192.0.2.1", "::1", "fe80::1%eth0", "database:5432", "http://database"} {
		want(t, "invalid_argument", checks.DNS(bad))
	}
}

// certificate makes a certificate that parent signs, or that is self-signed.
func certificate(t *testing.T, from, until time.Time, parent *tls.Certificate) *tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: rand.Text()}, NotBefore: from, NotAfter: until,
		IsCA: parent == nil, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	signer, by := c, key
	made := &tls.Certificate{PrivateKey: key}
	if parent != nil {
		signer, by = parent.Leaf, parent.PrivateKey.(*ecdsa.PrivateKey)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, signer, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	made.Certificate = [][]byte{der}
	if made.Leaf, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return made
}

func TestCertificateValid(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Now()
	long := certificate(t, now.Add(-day), now.Add(100*day), nil)
	short := certificate(t, now.Add(-day), now.Add(5*day), nil)
	stranger := certificate(t, now.Add(-day), now.Add(100*day), nil)
	trust := &tls.Config{RootCAs: x509.NewCertPool()}
	trust.RootCAs.AddCert(long.Leaf)
	trust.RootCAs.AddCert(short.Leaf)
	for _, test := range []struct {
		name  string
		until time.Time
		by    *tls.Certificate
		class string
	}{
		{"good", now.Add(50 * day), long, ""},
		{"ends soon", now.Add(9 * day), long, "certificate_expires"},
		{"its authority ends soon", now.Add(50 * day), short, "certificate_expires"},
		{"has ended", now.Add(-time.Hour), long, "server_certificate_invalid"},
		{"unknown authority", now.Add(50 * day), stranger, "server_certificate_invalid"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(http.NotFoundHandler())
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.TLS = &tls.Config{Certificates: []tls.Certificate{*certificate(t, now.Add(-day), test.until, test.by)}}
			server.StartTLS()
			defer server.Close()
			want(t, test.class, checks.CertificateValidConfig(trust, server.Listener.Addr().String(), 10*day))
		})
	}
	// A renewed certificate is seen, also by a config that would resume a session.
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	shown := certificate(t, now.Add(-day), now.Add(9*day), long)
	server.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return &tls.Config{Certificates: []tls.Certificate{*shown}}, nil
	}}
	server.StartTLS()
	defer server.Close()
	resuming := trust.Clone()
	resuming.MaxVersion = tls.VersionTLS12 // because its ticket comes with the handshake
	resuming.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	renewed := checks.CertificateValidConfig(resuming, server.Listener.Addr().String(), 10*day)
	want(t, "certificate_expires", renewed)
	shown = certificate(t, now.Add(-day), now.Add(50*day), long)
	want(t, "", renewed)

	silent, err := net.Listen("tcp", "127.0.0.1:0") // the kernel connects, and nobody accepts
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	mute, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := checks.CertificateValidConfig(trust, silent.Addr().String(), day)(mute); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a server that says nothing: %v", err)
	}
	want(t, "server_certificate_invalid", checks.CertificateValid(server.Listener.Addr().String(), day)) // the system does not know its authority
	want(t, "invalid_argument", checks.CertificateValid("shop", day))
	want(t, "invalid_argument", checks.CertificateValidConfig(nil, "shop:443", day))
	want(t, "invalid_argument", checks.CertificateValid("shop:443", -day))
	want(t, "invalid_argument", checks.CertificateValidConfig(&tls.Config{InsecureSkipVerify: true}, "shop:443", day))
}

func TestDiskFree(t *testing.T) {
	want(t, "", checks.DiskFree(t.TempDir(), 1e-9))
	err := want(t, "disk_full", checks.DiskFree("/", 0.999999))
	if err != nil && !strings.Contains(err.Error(), "less than 100.0 %") {
		t.Error(err)
	}
	want(t, "not_found", checks.DiskFree(filepath.Join(t.TempDir(), "none"), .1))
	want(t, "invalid_argument", checks.DiskFree("", .1))
	for _, bad := range []float64{0, -1, 1, 10} {
		want(t, "invalid_argument", checks.DiskFree("/", bad))
	}
}
