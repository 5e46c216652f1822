package main

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestProbe(t *testing.T) {
	t.Setenv("ADMIN_TOKEN", "s3cret") // of another listener of the same container
	code := http.StatusOK
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the probe sends the operators' token")
		}
		w.WriteHeader(code)
		_, _ = w.Write([]byte("why"))
	}))
	defer srv.Close()
	secure := httptest.NewTLSServer(srv.Config.Handler)
	defer secure.Close()
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // it tells of the client that refuses its certificate
	for _, c := range []struct {
		args []string
		code int
		exit int
		out  string
	}{
		{[]string{srv.URL}, 200, 0, ""},
		{[]string{strings.TrimPrefix(srv.URL, "http://")}, 503, 1, "503 why"},
		{[]string{srv.URL}, 302, 1, "302 why"},
		{[]string{"http://127.0.0.1:1"}, 200, 1, "refused"},
		{[]string{"ftp://x"}, 200, 1, "is no address"},
		{[]string{secure.URL}, 200, 1, "add --insecure"},
		{[]string{"-insecure", secure.URL}, 200, 0, ""},
		{[]string{"--insecure", secure.URL}, 503, 1, "503 why"},
		{[]string{"-insecure"}, 200, 1, "usage"},
		{nil, 200, 1, "usage"},
	} {
		code = c.code
		var out bytes.Buffer
		if exit := probe(c.args, &out, &out); exit != c.exit || !strings.Contains(out.String(), c.out) || c.out == "" && out.Len() > 0 {
			t.Errorf("%q with %d: exit %d, %q", c.args, c.code, exit, out.String())
		}
	}
}

// TestSize: the program goes into images, so it is at most 6 MB.
func TestSize(t *testing.T) {
	path := filepath.Join(t.TempDir(), "probe")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if t.Logf("%d bytes", info.Size()); info.Size() > 6_000_000 {
		t.Errorf("%d bytes, want 6 MB at most", info.Size())
	}
}
