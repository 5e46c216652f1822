package history

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
)

// A refusal is an answer that is not 200.
type refusal struct {
	code int
	path string
	text string // of Prometheus' error, or the begin of the body
}

func (r *refusal) Error() string {
	return fmt.Sprintf("%s answers %d %s: %s", r.path, r.code, http.StatusText(r.code), r.text)
}

// unsupported reports whether a backend does not have an endpoint, or refuses it. Other errors are mistakes, or
// go away.
func unsupported(err error) bool {
	r, is := errors.AsType[*refusal](err)
	if !is {
		return false
	}
	switch r.code {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotAcceptable,
		http.StatusUnsupportedMediaType, http.StatusNotImplemented:
		return true
	}
	return false
}

// tooMuch reports whether a request asks for more than the backend allows, so that a smaller one may succeed.
func tooMuch(err error) bool {
	r, is := errors.AsType[*refusal](err)
	return is && (r.code == http.StatusUnprocessableEntity || r.code == http.StatusRequestEntityTooLarge ||
		r.code == http.StatusBadRequest && strings.Contains(r.text, "limit") || (r.code == 503 || r.code == 504) && strings.Contains(r.text, "time"))
}

// attempts is how often a request is sent, if the backend is busy or away for a moment.
const attempts = 4

// do sends a request, and repeats it if the backend is busy. The status of the response is 200.
func (s *Source) do(ctx context.Context, method, path string, body []byte, header map[string]string) (*http.Response, error) {
	for n := 1; ; n++ {
		res, err := s.send(ctx, method, path, body, header)
		if err == nil {
			return res, nil
		}
		r, is := errors.AsType[*refusal](err)
		passes := is && (r.code == 429 || r.code == 502 || r.code == 503) && !tooMuch(err)
		if !passes || n == attempts {
			return nil, s.explain(err)
		}
		if err := s.pause(ctx, time.Second<<(n-1)); err != nil {
			return nil, err
		}
	}
}

// pause waits.
func (s *Source) pause(ctx context.Context, d time.Duration) error {
	if s.wait != nil {
		return s.wait(ctx, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *Source) send(ctx context.Context, method, path string, body []byte, header map[string]string) (*http.Response, error) {
	where, err := s.base()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, where+path, bytes.NewReader(body))
	if err != nil {
		return nil, &query.Mistake{Field: "URL", Problem: err.Error()}
	}
	maps.Copy(req.Header, s.Header)
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := cmp.Or(s.Client, http.DefaultClient).Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode == http.StatusOK {
		return res, nil
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(res.Body, 1<<12)) // after an error, the part that arrived is enough
	var answer struct{ Error string }
	if json.Unmarshal(text, &answer) != nil || answer.Error == "" {
		answer.Error = firstLine(string(text))
	}
	path, _, _ = strings.Cut(path, "?")
	return nil, &refusal{res.StatusCode, path, answer.Error}
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if len(line) > 200 {
		line = line[:200] + "…"
	}
	return strings.ToValidUTF8(line, "?")
}

// explain adds to an error what to do about it.
func (s *Source) explain(err error) error {
	var bad *url.Error
	r, is := errors.AsType[*refusal](err)
	switch {
	case is && (r.code == 401 || r.code == 407):
		return &query.Mistake{Field: "Header", Problem: r.Error() + ": give a token in the header Authorization"}
	case is && r.code == 404 && !strings.HasSuffix(r.path, "/read"):
		return &query.Mistake{Field: "URL", Problem: r.Error() + ": give the address before /api/v1, such as http://localhost:9090 or https://mimir.example/prometheus"}
	case is && strings.Contains(r.text, "no org id"):
		return &query.Mistake{Field: "Header", Problem: r.Error() + ": give the tenant in the header X-Scope-OrgID"}
	case errors.As(err, &bad) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w", &query.Mistake{Field: "URL", Problem: fmt.Sprintf("%s can't be reached: %v", s.shown(), bad.Err)})
	}
	return err
}

// notPrometheus is the error of a response that is not from Prometheus, such as a login page.
func (s *Source) notPrometheus(res *http.Response, kind string) error {
	return &query.Mistake{Field: "URL", Problem: fmt.Sprintf("%s answers with %s, and Prometheus would not: is it a login page or a proxy?", res.Request.URL.Redacted(), kind)}
}

// base is the URL without a slash at its end.
func (s *Source) base() (string, error) {
	u, err := url.Parse(s.URL)
	switch {
	case s.URL == "":
		return "", &query.Mistake{Field: "URL", Problem: "is not set: give the address of Prometheus, such as http://localhost:9090"}
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return "", &query.Mistake{Field: "URL", Problem: fmt.Sprintf("%q is no address: write http://localhost:9090 or https://…", s.shown())}
	case u.RawQuery != "" || u.Fragment != "":
		return "", &query.Mistake{Field: "URL", Problem: fmt.Sprintf("%s has a query: give the address before /api/v1", s.shown())}
	}
	path := strings.TrimSuffix(u.Path, "/")
	for _, end := range []string{"/graph", "/query", "/api/v1", "/api"} { // from the browser's address bar
		path = strings.TrimSuffix(path, end)
	}
	u.Path, u.RawPath = path, ""
	return u.String(), nil
}

// shown is the URL without its password.
func (s *Source) shown() string {
	if u, err := url.Parse(s.URL); err == nil {
		return u.Redacted()
	}
	before, after, found := strings.Cut(s.URL, "@")
	if found {
		return "…@" + after
	}
	return before
}

// get asks for data as JSON.
func (s *Source) get(ctx context.Context, path string, with url.Values, to any) error {
	if len(with) > 0 {
		path += "?" + with.Encode()
	}
	res, err := s.do(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var answer struct {
		Status string
		Data   json.RawMessage
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || answer.Status != "success" {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return s.notPrometheus(res, cmp.Or(res.Header.Get("Content-Type"), "something else"))
	}
	return json.Unmarshal(answer.Data, to)
}

// A scope selects series, in a time.
type scope struct {
	from, to time.Time
	match    []matcher
}

func (sc scope) values() url.Values {
	match := sc.match
	if !slices.ContainsFunc(match, func(m matcher) bool { return m.name == metricName }) {
		match = with(match, matcher{metricName, "!=", ""}) // Prometheus refuses a selector that matches everything
	}
	return url.Values{"match[]": {promQL(match)}, "start": {unix(sc.from)}, "end": {unix(sc.to)}}
}

func unix(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1e3, 'f', 3, 64) }

// values returns the values that a label has.
func (s *Source) values(ctx context.Context, label string, of scope) (all []string, err error) {
	return all, s.get(ctx, "/api/v1/label/"+url.PathEscape(escaped(label))+"/values", of.values(), &all)
}

// labels returns the names of labels. External labels are not among them.
func (s *Source) labels(ctx context.Context, of scope) (all []string, err error) {
	return all, s.get(ctx, "/api/v1/labels", of.values(), &all)
}

// escaped is a label in a path, where Prometheus wants U__ and _2e_ for a dot.
func escaped(label string) string {
	if plainLabel.MatchString(label) {
		return label
	}
	var b strings.Builder
	b.WriteString("U__")
	for _, r := range label {
		switch {
		case r == '_':
			b.WriteString("__")
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, "_%x_", r)
		}
	}
	return b.String()
}
