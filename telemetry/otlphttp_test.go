package telemetry

import (
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	logspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// httpCollector is a small server of OTLP over HTTP. Its answers are set by a test.
type httpCollector struct {
	mu       sync.Mutex
	status   int // 200 if zero
	breaks   int // requests whose connection is broken before an answer
	partial  bool
	accepted map[string]int // by path
	clients  []string       // names in the certificates
	encoding map[string]bool
}

func (c *httpCollector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		var err error
		if body, err = gzip.NewReader(r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	data, err := io.ReadAll(body)
	var in, out proto.Message
	switch r.URL.Path {
	case "/v1/metrics":
		in, out = &metricspb.ExportMetricsServiceRequest{}, &metricspb.ExportMetricsServiceResponse{PartialSuccess: &metricspb.ExportMetricsPartialSuccess{RejectedDataPoints: 1}}
	case "/v1/traces":
		in, out = &tracepb.ExportTraceServiceRequest{}, &tracepb.ExportTraceServiceResponse{PartialSuccess: &tracepb.ExportTracePartialSuccess{RejectedSpans: 1}}
	case "/v1/logs":
		in, out = &logspb.ExportLogsServiceRequest{}, &logspb.ExportLogsServiceResponse{PartialSuccess: &logspb.ExportLogsPartialSuccess{RejectedLogRecords: 1}}
	}
	if in == nil || err != nil || proto.Unmarshal(data, in) != nil {
		http.Error(w, "no OTLP", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.breaks > 0 {
		c.breaks--
		panic(http.ErrAbortHandler)
	}
	if c.status != 0 {
		http.Error(w, "hunter2", c.status)
		return
	}
	if c.accepted == nil {
		c.accepted, c.encoding = map[string]int{}, map[string]bool{}
	}
	c.accepted[r.URL.Path]++
	c.encoding[r.Header.Get("Content-Encoding")] = true
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		c.clients = append(c.clients, r.TLS.PeerCertificates[0].Subject.CommonName)
	}
	if c.partial {
		w.Header().Set("Content-Type", "application/x-protobuf")
		b, _ := proto.Marshal(out)
		_, _ = w.Write(b)
	}
}

func (c *httpCollector) set(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

// record records a span and a log record.
func record(ctx context.Context, tel *Telemetry) {
	_, span := tel.TracerProvider.Tracer("test").Start(ctx, "a span")
	span.End()
	tel.Logger.Info("a record")
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// fast are short intervals.
func fast(endpoint string, more ...string) map[string]string {
	env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
		"OTEL_METRIC_EXPORT_INTERVAL": "10", "OTEL_BSP_SCHEDULE_DELAY": "10", "OTEL_BLRP_SCHEDULE_DELAY": "10"}
	for n := 0; n < len(more); n += 2 {
		env[more[n]] = more[n+1]
	}
	return env
}

// TestHTTP: all signals arrive by OTLP over HTTP, after broken connections too, and compressed.
func TestHTTP(t *testing.T) {
	c := &httpCollector{breaks: 3}
	srv := httptest.NewServer(c)
	defer srv.Close()
	tel, log := start(t, Config{}, fast(srv.URL, "OTEL_EXPORTER_OTLP_COMPRESSION", "GZIP"))
	record(t.Context(), tel)
	eventually(t, "all signals arrive", func() (all bool) {
		c.set(func() {
			all = c.accepted["/v1/metrics"] > 0 && c.accepted["/v1/traces"] == 1 && c.accepted["/v1/logs"] == 1
		})
		return all
	})
	c.set(func() {
		if len(c.encoding) != 1 || !c.encoding["gzip"] {
			t.Errorf("encodings: %v", c.encoding)
		}
	})
	if failures := series(t, tel, "telemetry.export.failures"); len(failures) != 0 {
		t.Errorf("a broken connection is a failure: %v", failures)
	}
	if err := tel.Close(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "metrics=http/protobuf traces=http/protobuf logs=http/protobuf") {
		t.Errorf("log: %s", log)
	}
}

// TestHTTPFailures: failed exports are counted by their status, and the server's text is not logged.
func TestHTTPFailures(t *testing.T) {
	for _, c := range []struct {
		server *httpCollector
		class  string
	}{
		{&httpCollector{status: http.StatusUnauthorized}, "401"},
		{&httpCollector{status: http.StatusServiceUnavailable}, "503"},
		{&httpCollector{partial: true}, "partial_success"},
	} {
		t.Run(c.class, func(t *testing.T) {
			srv := httptest.NewServer(c.server)
			defer srv.Close()
			tel, log := start(t, Config{}, fast(srv.URL, "OTEL_EXPORTER_OTLP_TIMEOUT", "100"))
			record(t.Context(), tel)
			eventually(t, "every signal has failed", func() bool {
				all := series(t, tel, "telemetry.export.failures")
				for _, signal := range []string{"metrics", "traces", "logs"} {
					if all["error.type="+c.class+",telemetry.signal="+signal] == 0 {
						return false
					}
				}
				return true
			})
			if strings.Contains(log.String(), "hunter2") {
				t.Errorf("log: %s", log)
			}
		})
	}
}

// TestHTTPAway: a collector that is away is logged once, with the cause.
func TestHTTPAway(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	tel, log := start(t, Config{}, fast("http://"+address, "OTEL_EXPORTER_OTLP_TIMEOUT", "100"))
	eventually(t, "metrics have failed", func() bool { return len(series(t, tel, "telemetry.export.failures")) > 0 })
	eventually(t, "it is logged", func() bool { return strings.Contains(log.String(), "connection refused") })
}

// authority makes certificates in files.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.key, a.cert = a.make(t, "ca", nil, nil)
	return a
}

// make writes NAME.pem and NAME.key.
func (a *authority) make(t *testing.T, name string, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	template := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: parent == nil, BasicConstraintsValid: true}
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	a.write(t, name+".pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	a.write(t, name+".key", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret}))
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert
}

func (a *authority) write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(a.dir, name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

// rename replaces the files of one certificate by those of another one.
func (a *authority) rename(t *testing.T, from, to string) {
	t.Helper()
	for _, end := range []string{".key", ".pem"} {
		if err := os.Rename(a.path(from+end), a.path(to+end)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRenewedCertificate: a client certificate that is renewed on disk is used at the next
// connection.
func TestRenewedCertificate(t *testing.T) {
	a := newAuthority(t)
	a.make(t, "server", a.cert, a.key)
	a.make(t, "client", a.cert, a.key)
	c := &httpCollector{}
	srv := httptest.NewUnstartedServer(c)
	pair, err := tls.LoadX509KeyPair(a.path("server.pem"), a.path("server.key"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
	srv.StartTLS()
	defer srv.Close()
	start(t, Config{}, fast(srv.URL, "OTEL_EXPORTER_OTLP_CERTIFICATE", a.path("ca.pem"),
		"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", a.path("client.pem"), "OTEL_EXPORTER_OTLP_CLIENT_KEY", a.path("client.key")))
	seen := func(name string) func() bool {
		return func() (yes bool) {
			c.set(func() { yes = len(c.clients) > 0 && c.clients[len(c.clients)-1] == name })
			return yes
		}
	}
	eventually(t, "the first certificate", seen("client"))
	a.make(t, "renewed", a.cert, a.key)
	a.rename(t, "renewed", "client")
	srv.CloseClientConnections()
	eventually(t, "the renewed certificate", seen("renewed"))
}
