package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/e2e/servers"
)

// TestTLS exports over TLS to a collector with a certificate of a private CA. A demo with another
// CA logs it once and continues to work.
func TestTLS(t *testing.T) {
	dir, addr := t.TempDir(), servers.FreeAddrs(t, 1)[0]
	ours, theirs := newCA(t, dir, "ours"), newCA(t, dir, "theirs")
	cert, key := ours.server(t, dir)
	collector := servers.Collector(t, "..", addr, dir, []string{"TLS_CERT_FILE=" + cert, "TLS_KEY_FILE=" + key}, "testdata/metrics-file.yaml", "testdata/tls.yaml")
	start := func(ca, name string) *demo {
		return startDemo(t, append(soon,
			"OTEL_EXPORTER_OTLP_ENDPOINT=https://"+addr, "OTEL_EXPORTER_OTLP_CERTIFICATE="+ca, "OTEL_EXPORTER_OTLP_TIMEOUT=1000", "OTEL_SERVICE_NAME="+name,
		), "-load", "0", "-drain", "0s")
	}
	began := time.Now()
	good, bad := start(ours.file, "good"), start(theirs.file, "bad")
	good.WaitOK(good.app + "/ready")
	bad.WaitOK(bad.app + "/ready")
	const n = 20
	for range n {
		good.post()
		bad.post()
	}
	servers.Poll(t, "exports of all signals fail with the wrong CA", func() error {
		if p := bad.probe("/ready"); !passing(p) {
			t.Fatalf("/ready answers %d %s", p.code, p.body)
		}
		failed := map[string]bool{}
		for _, s := range bad.metrics() {
			if s.name == "telemetry_export_failures_total" && len(s.value) > 1 { // ten or more
				failed[s.labels["telemetry_signal"]] = true
			}
		}
		if !failed["metrics"] || !failed["traces"] {
			return fmt.Errorf("%v", failed)
		}
		return nil
	})
	good.end()
	log := bad.Output() // the shutdown logs more
	bad.end()
	if code := collector.Stop(); code != 0 {
		t.Errorf("the collector's exit code is %d", code)
	}
	// One warning a minute, for any number of signals and attempts.
	const warning = `WARN OpenTelemetry: export: rpc error: code = Unavailable desc = connection error: desc = "transport: authentication handshake failed: ` +
		`tls: failed to verify certificate: x509: certificate signed by unknown authority"`
	if n := strings.Count(log, warning); n < 1 || n > 1+int(time.Since(began)/time.Minute) || n != strings.Count(log, "x509") {
		t.Errorf("%d warnings in %v:\n%s", n, time.Since(began), log)
	}

	got := 0
	for _, p := range lastPoints(t, messages(t, filepath.Join(dir, "metrics.jsonl")), "http.server.request.duration") {
		got += int(p.Count)
	}
	if got != n {
		t.Errorf("the metrics have %d of %d requests", got, n)
	}
	for _, name := range []string{"metrics", "traces", "logs"} {
		b, err := os.ReadFile(filepath.Join(dir, name+".jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(b), `{"stringValue":"good"}`) || strings.Contains(string(b), `{"stringValue":"bad"}`) {
			t.Errorf("%s has data of another demo than the one with the right CA", name)
		}
	}
}

// ca is a certificate authority with its certificate in a file.
type ca struct {
	file string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newCA(t *testing.T, dir, name string) ca {
	t.Helper()
	c := ca{file: filepath.Join(dir, name+".pem"), cert: &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, key: newKey(t)}
	c.sign(t, c.cert, c.key, c.file)
	return c
}

// server writes a certificate for 127.0.0.1 and its key.
func (c ca) server(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	cert, key = filepath.Join(dir, "server.pem"), filepath.Join(dir, "server-key.pem")
	own := newKey(t)
	c.sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "collector"}, NotBefore: c.cert.NotBefore, NotAfter: c.cert.NotAfter,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, own, cert)
	der, err := x509.MarshalPKCS8PrivateKey(own)
	writePEM(t, key, "PRIVATE KEY", der, err)
	return cert, key
}

func (c ca) sign(t *testing.T, cert *x509.Certificate, key *ecdsa.PrivateKey, path string) {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, cert, c.cert, key.Public(), c.key)
	writePEM(t, path, "CERTIFICATE", der, err)
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func writePEM(t *testing.T, path, kind string, der []byte, err error) {
	t.Helper()
	if err == nil {
		err = os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
