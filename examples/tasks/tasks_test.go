// Package tasks tests that each program does its task.
package tasks

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/otelhealth/otelhealth/examples/internal/story"
)

// task is a program, and the steps of its own test.
type task struct {
	name     string
	prepare  func(*program) // before the start
	special  func(*program) // while it is ready
	draining func(*program) // while it drains
	warns    bool           // a broken database warns and does not fail
	killed   bool           // it does not handle SIGTERM
}

var tasks = []task{
	{name: "01-min", killed: true},
	{name: "01-ping"},
	{name: "02-latency", special: latency},
	{name: "03-errors", special: errorRatio},
	{name: "04-queue", prepare: stuck, special: queue},
	{name: "05-heartbeat", prepare: stuck, special: heartbeat},
	{name: "06-warns-only", prepare: search, special: warnsOnly},
	{name: "07-interval", prepare: certified, special: askedOnce},
	{name: "08-maintenance", prepare: maintained, special: maintenance},
	{name: "09-own-tls-server", prepare: secured},
	{name: "10-listeners", prepare: listeners, special: listening, draining: lastClosesLast},
	{name: "12-prometheus-registry", special: registry},
	{name: "13-own-provider", prepare: collector, special: exported},
	{name: "15-add-and-remove", warns: true, special: added, draining: removed},
}

func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", "3") // the tests wait for programs and compute little
	os.Exit(m.Run())
}

// TestTasks probes each program as Kubernetes does, breaks and repairs its database, and ends it
// while a request is in flight.
func TestTasks(t *testing.T) {
	binaries := build(t)
	for _, k := range tasks {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			p := &program{t: t}
			if k.prepare != nil {
				k.prepare(p)
			}
			p.run(filepath.Join(binaries, k.name))
			k.life(p)
		})
	}
	t.Run("11-grpc", func(t *testing.T) {
		t.Parallel()
		p := &program{t: t}
		p.run(filepath.Join(binaries, "11-grpc"))
		calls(p)
	})
}

// build builds all programs at once.
func build(t *testing.T) (folder string) {
	t.Helper()
	folder = t.TempDir()
	args := []string{"build", "-ldflags=-s -w", "-o", folder + string(filepath.Separator), "./11-grpc"} // links faster
	for _, k := range tasks {
		args = append(args, "./"+k.name)
	}
	if out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return folder
}

func (k task) life(p *program) {
	p.until("/startup", 200, "pass", "")
	p.until("/health", 200, "pass", "")
	p.until("/ready", 200, "pass", "")

	p.breakDatabase()
	if k.warns {
		p.until("/ready", 200, "warn", ": 3 failures in a row")
	} else {
		p.until("/ready", 503, "fail", "database: 3 failures in a row")
	}
	p.until("/health", 200, "pass", "")
	p.mendDatabase()
	p.until("/ready", 200, "pass", "")

	if k.special != nil {
		k.special(p)
	}

	if k.killed {
		p.terminate()
		if code := p.exits(); code != -1 {
			p.t.Errorf("code %d, want an end by the signal", code)
		}
		return
	}
	late := p.hold()
	p.terminate()
	p.until("/ready", 503, "fail", "draining")
	p.until("/health", 200, "pass", "")
	if k.draining != nil {
		k.draining(p)
	}
	p.wait("it goes on listening", func() bool { return refused(p.addr) })
	late.finish()
	if code := p.exits(); code != 0 {
		p.t.Errorf("code %d", code)
	}
}

// limit wants the body of /ready to have a limit of a check.
func (p *program) limit(check string, limit float64) {
	p.t.Helper()
	a := p.get(p.addr, "/ready?verbose")
	if c := a.body.Checks[check]; len(c) != 1 || c[0].Limit != limit {
		p.t.Errorf("%s: no limit of %v: %s", check, limit, a.text)
	}
}

// latency: twenty requests take longer than the limit.
func latency(p *program) {
	p.limit("latency", .5)
	var all []*request
	for range 20 {
		all = append(all, p.slow())
	}
	time.Sleep(600 * time.Millisecond) // so every request takes at least this long
	for _, r := range all {
		r.finish()
	}
	p.until("/ready", 200, "warn", "latency: p99 ")
	p.has("/metrics", `health_check_status{`)
}

// errorRatio: a panic is an error too.
func errorRatio(p *program) {
	p.limit("errors", .05)
	for range 20 {
		p.has("/?id=7", "order 7\n")
	}
	p.until("/ready", 200, "pass", "")
	for range 20 {
		if a := p.get(p.addr, "/"); a.code != http.StatusInternalServerError {
			p.t.Fatalf("an order without an id: %d", a.code)
		}
	}
	p.until("/ready", 200, "warn", "errors: ")
	p.has("/metrics", `health_check_status{`)
}

// stuck prepares a worker that hangs when it logs a long job.
func stuck(p *program) { p.blocked() }

// queue: the worker hangs, so jobs wait.
func queue(p *program) {
	send := func(jobs int) {
		for range jobs {
			if a := p.get(p.addr, "/job"); a.code != http.StatusOK {
				p.t.Fatalf("a job: %d %s", a.code, a.text)
			}
		}
	}
	p.get(p.addr, long())
	send(60)
	p.until("/ready", 200, "warn", "queue: ")
	send(25)
	p.until("/ready", 503, "fail", "queue: ")
	p.has("/metrics", "queue_length{")
	p.release()
	p.until("/ready", 200, "pass", "")
}

// heartbeat: the worker hangs, so the kubelet must restart the process.
func heartbeat(p *program) {
	p.get(p.addr, long())
	p.until("/health", 503, "fail", "worker: ")
	p.until("/ready", 503, "fail", "worker: ")
	p.release()
	p.until("/health", 200, "pass", "")
	p.until("/ready", 200, "pass", "")
}

// search prepares a service that can be broken.
func search(p *program) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if p.down.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	p.t.Cleanup(server.Close)
	p.env = append(p.env, "SEARCH_URL="+server.URL)
}

func warnsOnly(p *program) {
	p.down.Store(true)
	p.until("/ready", 200, "warn", "search: 3 failures in a row, the last: 500")
	p.down.Store(false)
	p.until("/ready", 200, "pass", "")
}

// certified prepares an API that takes longer than the default timeout of a check to show its
// certificate.
func certified(p *program) {
	cert, pemCert, _ := certificate(p.t)
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		p.asked.Add(1)
		select {
		case <-time.After(3 * time.Second):
		case <-hello.Context().Done():
		}
		return nil, nil
	}}
	server.StartTLS()
	p.t.Cleanup(server.Close)
	trusted := filepath.Join(p.t.TempDir(), "ca.pem")
	p.write(trusted, pemCert)
	p.env = append(p.env, "API_ADDR="+server.Listener.Addr().String(), "SSL_CERT_FILE="+trusted)
}

// askedOnce: the database was pinged often meanwhile.
func askedOnce(p *program) {
	if n := p.asked.Load(); n != 1 {
		p.t.Errorf("the certificate was asked for %d times, want 1", n)
	}
}

func maintained(p *program) {
	p.file = filepath.Join(p.t.TempDir(), "maintenance.json")
	p.env = append(p.env, "MAINTENANCE_FILE="+p.file)
}

func maintenance(p *program) {
	p.write(p.file, `{"reason": "a new disk", "until": "`+time.Now().Add(time.Hour).Format(time.RFC3339)+`"}`)
	if a := p.until("/ready", 503, "fail", "a new disk"); a.header.Get("Retry-After") == "" {
		p.t.Errorf("no Retry-After: %v", a.header)
	}
	p.until("/health", 200, "pass", "")
	if err := os.Remove(p.file); err != nil {
		p.t.Fatal(err)
	}
	p.until("/ready", 200, "pass", "")
}

func secured(p *program) {
	_, pemCert, pemKey := certificate(p.t)
	folder := p.t.TempDir()
	p.write(filepath.Join(folder, "tls.crt"), pemCert)
	p.write(filepath.Join(folder, "tls.key"), pemKey)
	p.env = append(p.env, "TLS_CERT="+filepath.Join(folder, "tls.crt"), "TLS_KEY="+filepath.Join(folder, "tls.key"))
	p.tls = &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "127.0.0.1"}
	p.tls.RootCAs.AppendCertsFromPEM([]byte(pemCert))
}

// certificate makes a self-signed certificate for 127.0.0.1.
func certificate(t *testing.T) (cert tls.Certificate, pemCert, pemKey string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(20 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pemCert = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	pemKey = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pemCert, pemKey
}

func listeners(p *program) { p.listen = []string{"PARTNERS_ADDR", "PROBES_ADDR"} }

func listening(p *program) {
	for _, addr := range []string{p.addr, p.more["PARTNERS_ADDR"]} {
		p.untilAt(addr, "/ready", 200, "pass", "")
		if a := p.get(addr, "/"); a.text != "orders\n" {
			p.t.Errorf("%d %q", a.code, a.text)
		}
	}
	p.untilAt(p.more["PROBES_ADDR"], "/ready", 200, "pass", "")
	if a := p.get(p.more["PROBES_ADDR"], "/"); a.code != http.StatusNotFound {
		p.t.Errorf("the listener of the probes: %d %q", a.code, a.text)
	}
}

// lastClosesLast: the listener of the probes answers until the last request has ended, and the
// request of the test has not.
func lastClosesLast(p *program) {
	for _, addr := range []string{p.addr, p.more["PARTNERS_ADDR"], p.more["PROBES_ADDR"]} {
		p.untilAt(addr, "/ready", 503, "fail", "draining")
	}
	p.wait("the first two go on listening", func() bool { return refused(p.addr) && refused(p.more["PARTNERS_ADDR"]) })
	p.untilAt(p.more["PROBES_ADDR"], "/ready", 503, "fail", "draining")
}

func registry(p *program) {
	p.limit("latency", .5)
	p.has("/", "orders\n")
	p.has("/metrics", "\norders_duration_seconds_count ")
	p.has("/metrics", `health_check_status{`)
}

func collector(p *program) {
	p.collector = story.Collect(p.t)
	p.env = append(p.env, "OTEL_EXPORTER_OTLP_ENDPOINT="+p.collector.URL, "OTEL_METRIC_EXPORT_INTERVAL=100")
}

func exported(p *program) {
	p.limit("latency", .5)
	p.has("/", "orders\n")
	p.wait("no requests are exported", func() bool { return len(p.collector.Requests()) > 0 })
	p.wait("it is not exported that it is ready", func() bool {
		states := p.collector.States("readiness")
		return len(states) == 1 && states[0] == "pass"
	})
}

const tenant = "tenant acme"

func added(p *program) {
	a := p.get(p.addr, "/ready")
	if c := a.body.Checks[tenant]; len(c) != 1 || c[0].Status != "pass" || c[0].Role != "auxiliary" {
		p.t.Errorf("%s is not there: %s", tenant, a.text)
	}
}

func removed(p *program) {
	p.wait("the check is still there", func() bool {
		a := p.get(p.addr, "/ready")
		return a.code == http.StatusServiceUnavailable && len(a.body.Checks[tenant]) == 0
	})
}

// calls is the life of a gRPC server.
func calls(p *program) {
	conn, err := grpc.NewClient(p.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close()
	client := healthpb.NewHealthClient(conn)
	says := func(service string, status healthpb.HealthCheckResponse_ServingStatus) {
		p.t.Helper()
		p.wait(service+" is not "+status.String(), func() bool {
			res, err := client.Check(p.t.Context(), &healthpb.HealthCheckRequest{Service: service})
			return err == nil && res.Status == status
		})
	}
	const serving, notServing = healthpb.HealthCheckResponse_SERVING, healthpb.HealthCheckResponse_NOT_SERVING
	says("", serving)
	p.breakDatabase()
	says("", notServing)
	says("liveness", serving)
	p.mendDatabase()
	says("", serving)
	p.terminate()
	says("", notServing)
	says("liveness", serving)
	if code := p.exits(); code != 0 {
		p.t.Errorf("code %d", code)
	}
}
