package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

// TestQuickStart does the steps of quick-start.md.
func TestQuickStart(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("prices.json", []byte(`{"apple": 1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	base := "http://" + l.Addr().String()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, l) }()

	wants(t, base, "pass")

	for range 95 {
		res, err := http.PostForm(base+"/orders", url.Values{"item": {"apple"}})
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusAccepted {
			t.Fatalf("POST /orders: %s", res.Status)
		}
	}
	wants(t, base, "fail", "queue: ", " of at most 80")
	wants(t, base, "warn", "queue: ", ", warns above 50") // the service ships one order a second

	if err := os.Rename("prices.json", "elsewhere.json"); err != nil {
		t.Fatal(err)
	}
	wants(t, base, "fail", "prices: 3 failures in a row, the last: not_found")
	if err := os.Rename("elsewhere.json", "prices.json"); err != nil {
		t.Fatal(err)
	}
	wants(t, base, "warn", "queue: ")

	stop()
	wants(t, base, "fail", "draining")
	if err := <-ended; err != nil {
		t.Errorf("serve: %v", err)
	}
}

// TestPage: quick-start.md has this program, word for word.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/quick-start.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(page), "\n```go\n")
	if len(blocks) != 2 || !strings.HasPrefix(blocks[1], string(program)+"```\n") {
		t.Errorf("quick-start.md has %d blocks of Go, want one that is main.go", len(blocks)-1)
	}
}

// wants waits until /ready has the status, its code, and a reason with all parts.
func wants(t *testing.T, base, status string, parts ...string) {
	t.Helper()
	code, last := http.StatusOK, ""
	if status == "fail" {
		code = http.StatusServiceUnavailable
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		res, err := http.Get(base + "/ready")
		if err != nil {
			t.Fatal(err)
		}
		var body struct{ Status, Output string }
		err = json.NewDecoder(res.Body).Decode(&body)
		res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		last = fmt.Sprint(res.StatusCode, " ", body.Status, " ", body.Output)
		ok := res.StatusCode == code && body.Status == status && (len(parts) > 0 || body.Output == "")
		for _, p := range parts {
			ok = ok && strings.Contains(body.Output, p)
		}
		if ok {
			return
		}
	}
	t.Fatalf("/ready is %q, want %d %s %q", last, code, status, parts)
}
