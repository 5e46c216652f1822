package backtest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/backtest"
)

// TestSecure: the backend has a self-signed certificate, and requires a client certificate and a token.
func TestSecure(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := write("cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	private := write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: raw}))
	token := write("token", []byte("s3cret\n"))
	empty := write("empty", nil)

	past := orders()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case len(r.TLS.PeerCertificates) == 0:
			http.Error(w, "no certificate", http.StatusForbidden)
		case r.Header.Get("Authorization") != "Bearer s3cret":
			http.Error(w, "who are you?", http.StatusUnauthorized)
		default:
			past.ServeHTTP(w, r)
		}
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	server.StartTLS()
	t.Cleanup(server.Close)
	ca := write("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))

	pair := []string{"-cert-file", cert, "-key-file", private}
	for _, c := range []struct {
		name string
		args []string
		want string // of the error
	}{
		{"all", append([]string{"-ca-file", ca, "-token-file", token}, pair...), ""},
		{"any certificate", append([]string{"-insecure", "-token-file", token}, pair...), ""},
		{"a strange certificate", append([]string{"-token-file", token}, pair...), "certificate signed by unknown authority"},
		{"no certificate", []string{"-ca-file", ca, "-token-file", token}, "403 Forbidden: no certificate"},
		{"no token", append([]string{"-ca-file", ca}, pair...), "401 Unauthorized: who are you?"},
		{"half of a pair", []string{"-cert-file", cert}, "give both -cert-file and -key-file, or none"},
		{"no file", []string{"-ca-file", filepath.Join(dir, "none")}, "-ca-file: open"},
		{"no PEM", []string{"-ca-file", token}, "has no certificate in PEM"},
		{"an empty token", []string{"-token-file", empty}, "has no token in one line"},
	} {
		code, _, err := command(t.Context(), Health(), append(append(hour, "-url", server.URL), c.args...)...)
		switch {
		case c.want == "" && (err != nil || code != backtest.Ill):
			t.Errorf("%s: %d, %v", c.name, code, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		case err != nil && strings.Contains(err.Error(), "s3cret"):
			t.Errorf("%s: the error has the token: %v", c.name, err)
		}
	}
}
