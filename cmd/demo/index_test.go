package main

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestIndex: / of both listeners says what runs, and each of its links works.
func TestIndex(t *testing.T) {
	d := startDemo(t, nil)
	get := func(url string) (int, string) {
		t.Helper()
		for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
			res, err := d.client.Get(url)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode == http.StatusOK || time.Since(began) > patience { // it starts
				return res.StatusCode, string(body)
			}
		}
	}
	for _, base := range []string{d.app, d.admin} {
		code, page := get(base + "/")
		links := regexp.MustCompile(`href="([^"]+)"`).FindAllStringSubmatch(page, -1)
		if code != http.StatusOK || len(links) != 6 || !strings.Contains(page, "paused-workers") {
			t.Fatalf("%s: %d with %d links\n%s", base, code, len(links), page)
		}
		for _, l := range links {
			if code, body := get(l[1]); code != http.StatusOK {
				t.Errorf("%s: %d %s", l[1], code, body)
			}
		}
		if res := d.do("GET", base+"/nothing", "", ""); res.StatusCode != http.StatusNotFound { // do closes the body
			t.Errorf("%s/nothing: %d", base, res.StatusCode)
		}
	}
	d.stop()
	if err := <-d.done; err != nil {
		t.Error(err)
	}
}
