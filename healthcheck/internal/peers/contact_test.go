package peers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/internal/votes"
)

// hijacked answers with bytes that are no HTTP/1.
func hijacked(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, text)
		_ = conn.Close()
	}
}

// TestContact: a wrong port, a wrong path and TLS are known before the first outage, by one log line that names the
// field, and by a state. After a minute there are no more questions.
func TestContact(t *testing.T) {
	good := votes.Answer{Instance: "other", Service: "orders", Phase: states.Running}
	mine, theirs := good, good
	mine.Instance, theirs.Service = "me", "billing"
	for what, c := range map[string]struct {
		h     http.HandlerFunc // nil is silent
		want  states.Contact
		log   string // empty if there is no line
		least int64  // questions
		most  int64
	}{
		"a peer":          {says(good), states.Reached, "", 1, 1},
		"oneself":         {says(mine), states.NoContact, "", 1, 1},
		"another service": {says(theirs), states.Foreign, `"billing", and this one is "orders"`, maxTries, maxTries},
		"a wrong path":    {http.NotFound, states.Foreign, "/ready answers with status 404: write the path of readiness", 1, 1},
		"another page":    {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, states.Foreign, "/ready answers, but not as a peer", 1, 1},
		"an old release": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, `{"status":"fail"}`)
		}, states.Foreign, "a release without Config.Peers", maxTries, maxTries},
		"TLS of Go": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, "Client sent an HTTP request to an HTTPS server.\n")
		}, states.Foreign, "port 8000 does not speak plain HTTP", 1, 1},
		"TLS of others": {hijacked("\x15\x03\x01\x00\x02\x02\x46"), states.Foreign, "port 8000 does not speak plain HTTP", 1, 1},
		"gRPC":          {hijacked("\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00\x40\x00"), states.Foreign, "without gRPC", 1, 1},
		"silence":       {nil, states.Silent, "look for a NetworkPolicy", maxTries, maxTries},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				r := (&rig{handlers: map[string]http.HandlerFunc{"10.0.0.1": c.h}}).start(t, slog.New(slog.NewJSONHandler(&log, nil)))
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				if r.Contact() != c.want || r.Questions() < c.least || r.Questions() > c.most {
					t.Errorf("%v after %d questions, want %v", r.Contact(), r.Questions(), c.want)
				}
				lines := strings.Count(log.String(), "\n")
				if !strings.Contains(log.String(), strings.ReplaceAll(c.log, `"`, `\"`)) || c.log == "" && lines > 0 || c.log != "" && lines != 1 {
					t.Errorf("%d lines: %s", lines, &log)
				}
				if lines > 0 && !strings.Contains(log.String(), `"field":"Config.Peers"`) {
					t.Errorf("it names no field: %s", &log)
				}
			})
		})
	}
}

// TestContactLater: in the rollout of Config.Peers, the other instances are at first of a release without it. When
// their successors answer as peers, the problem is over.
func TestContactLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		good := says(votes.Answer{Instance: "other", Service: "orders", Phase: states.Running})
		r := (&rig{handlers: map[string]http.HandlerFunc{"10.0.0.1": func(w http.ResponseWriter, req *http.Request) {
			if time.Since(began) > 20*time.Second {
				good(w, req)
				return
			}
			fmt.Fprint(w, `{"status":"pass"}`)
		}}}).start(t, slog.New(slog.DiscardHandler))
		time.Sleep(15 * time.Second)
		if synctest.Wait(); r.Contact() != states.NoContact {
			t.Errorf("%v while the release without is there", r.Contact())
		}
		time.Sleep(5 * time.Minute)
		if synctest.Wait(); r.Contact() != states.Reached || r.Questions() > maxTries {
			t.Errorf("%v after %d questions", r.Contact(), r.Questions())
		}
	})
}

// TestContactRefused: a fleet that starts together does not listen at once, so a refusal is a problem only
// after a minute.
func TestContactRefused(t *testing.T) {
	for _, listens := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			began := time.Now()
			good := says(votes.Answer{Instance: "other", Service: "orders", Phase: states.Running})
			r := &rig{handlers: map[string]http.HandlerFunc{"10.0.0.1": good, "10.0.0.2": good}}
			r.refuses = func() bool { return !listens || time.Since(began) < 30*time.Second }
			r.start(t, slog.New(slog.NewJSONHandler(&log, nil)))
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			if want := map[bool]states.Contact{true: states.Reached, false: states.Refused}[listens]; r.Contact() != want || r.Questions() > maxTries {
				t.Errorf("%v after %d questions, want %v", r.Contact(), r.Questions(), want)
			}
			if listens == strings.Contains(log.String(), "port 8000 refuses connections") {
				t.Errorf("%s", &log)
			}
		})
	}
}

// TestContactAgain: after the name had no address, one peer is asked again, because the name may be of another Service
// now. After another error of DNS none is asked, because that error is not about the peers.
func TestContactAgain(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int64
	}{{&net.DNSError{IsNotFound: true}, 2}, {errors.New("no DNS"), 1}} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, map[string]http.HandlerFunc{"10.0.0.1": says(votes.Answer{Instance: "other", Service: "orders", Phase: states.Running})})
			set := func(err error) {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.lookup = err
			}
			time.Sleep(time.Minute)
			set(c.err)
			time.Sleep(time.Minute)
			set(nil)
			time.Sleep(time.Minute)
			synctest.Wait()
			if n := r.Questions(); n != c.want {
				t.Errorf("%v: %d questions, want %d", c.err, n, c.want)
			}
		})
	}
}
