package backtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/backtest"
	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// command runs the program with arguments.
func command(ctx context.Context, c healthcheck.Config, args ...string) (code int, stdout string, err error) {
	set := flag.NewFlagSet("backtest", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	run := backtest.Flags(set)
	if err := set.Parse(args); err != nil {
		return backtest.Failed, "", err
	}
	var out bytes.Buffer
	code, err = run(ctx, c, &out, io.Discard)
	return code, out.String(), err
}

var hour = []string{"-selector", `job="orders"`, "-from", "2026-10-01T12:10:00Z", "-to", "2026-10-01T13:00:00Z"}

func TestFormats(t *testing.T) {
	url, stop := orders().start()
	defer stop()
	for format, want := range map[string]string{"text": `^Backtest of 2 rules`, "json": `^\{"from":"2026-10-01T12:10:00Z"`, "html": `^<!doctype html>`} {
		file := filepath.Join(t.TempDir(), "result")
		code, out, err := command(t.Context(), Health(), append(hour, "-url", url, "-format", format, "-o", file)...)
		if code != backtest.Ill || err != nil || out != "" {
			t.Errorf("%s: %d, %q, %v", format, code, out, err)
		}
		got, err := os.ReadFile(file)
		if err != nil || !regexp.MustCompile(want).Match(got) {
			t.Errorf("%s: %.100s, %v", format, got, err)
		}
	}
	// With a limit that is never crossed, no instance would have been out.
	calm := Health()
	calm.Rules[0].Fail = rule.Above(100)
	if code, _, err := command(t.Context(), calm, append(hour, "-url", url)...); code != backtest.Well || err != nil {
		t.Errorf("a calm hour: %d, %v", code, err)
	}
}

// TestNoData: a time without data is an error and does not pass.
func TestNoData(t *testing.T) {
	p := &prometheus{}
	p.add(func(int) float64 { return 1 }, 4, "__name__", "queue_length", "service_instance_id", "a") // a minute before
	url, stop := p.start()
	defer stop()
	c := Health()
	c.Rules = c.Rules[:1]
	code, out, err := command(t.Context(), c, "-url", url, "-from", "2026-10-01T12:03:00Z", "-to", "2026-10-01T12:04:00Z")
	if code != backtest.Failed || err == nil || !strings.Contains(err.Error(), "no instance has a sample in this time") {
		t.Errorf("%d, %v\n%s", code, err, out)
	}
}

// TestDead: the minute in which a process was dead does not count as passed.
func TestDead(t *testing.T) {
	p := &prometheus{}
	p.add(func(n int) float64 {
		if n >= 100 && n < 104 {
			return math.NaN()
		}
		return 20
	}, 240, "__name__", "queue_length", "service_instance_id", "a")
	url, stop := p.start()
	defer stop()
	c := Health()
	c.Rules = c.Rules[:1]
	r, err := backtest.Run(t.Context(), backtest.Options{Config: c, URL: url, From: began, To: began.Add(time.Hour)})
	if err != nil || r.Ready.NoData != 60 {
		t.Errorf("%v, no data for %v s, want 60", err, r.Ready.NoData)
	}
}

// TestConflicts: two rules that read one metric as different kinds are a mistake, because one would change
// the data of the other.
func TestConflicts(t *testing.T) {
	url, stop := orders().start()
	defer stop()
	queue := rule.Rule{Name: "queue", Value: rule.Last("queue.length"), Fail: rule.Above(80)}
	for want, other := range map[string]rule.Rule{
		"other: Value: compares queue.length with a time, and another rule with a number: queue": {Name: "other", Value: rule.Last("queue.length"), Fail: rule.Above(80 * time.Second)},
		"other: Value: reads queue.length as a counter, and queue reads it as a gauge":           {Name: "other", Value: rule.Increase("queue.length"), Fail: rule.Above(80)},
		"other: Value: reads queue.length as a histogram, and queue reads it as a gauge":         {Name: "other", Value: rule.Quantile(.99, "queue.length"), Fail: rule.Above(80)},
	} {
		_, err := backtest.Run(t.Context(), backtest.Options{Config: healthcheck.Config{Rules: []rule.Rule{queue, other}}, URL: url, From: began.Add(10 * time.Minute), To: began.Add(time.Hour)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestWrongKind: a rule that can't read its metric does not pass.
func TestWrongKind(t *testing.T) {
	url, stop := orders().start()
	defer stop()
	c := healthcheck.Config{Rules: []rule.Rule{{Name: "queue", Value: rule.Quantile(.99, "queue.length"), Fail: rule.Above(50), OnFail: healthcheck.NotReady}}}
	r, err := backtest.Run(t.Context(), backtest.Options{Config: c, URL: url, From: began.Add(10 * time.Minute), To: began.Add(time.Hour)})
	if err != nil || r.Ready.Pass > 0 {
		t.Errorf("%v, %+v", err, r)
	}
}

// TestPage: the page loads nothing, and has a strip for each instance and rule, and a table.
func TestPage(t *testing.T) {
	url, stop := orders().start()
	defer stop()
	_, page, err := command(t.Context(), Health(), append(hour, "-url", url, "-format", "html")...)
	if err != nil {
		t.Fatal(err)
	}
	if bad := regexp.MustCompile(`(?i)<script|<link|src=|@import|href=|url\(([^#]|$)`).FindString(page); bad != "" {
		t.Errorf("the page has %q", bad)
	}
	for _, want := range []string{`aria-label="readiness: pass 83.50 %, warn 3 min, fail 5 min, can&#39;t tell 30 s`, `class="fail"`, `class="cant"`, `<th scope="row">b<td>from 2026-10-01 12:30:00Z until 2026-10-01 12:35:00Z`, "prefers-color-scheme: dark", "Can't tell: <strong>0.50 %"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if n := strings.Count(page, "<svg viewBox=\"0 0 720"); n != 6 {
		t.Errorf("%d strips; want 3 of each instance", n)
	}
}

// TestMistakes: each error names the field or the flag, and says what to do.
func TestMistakes(t *testing.T) {
	url, stop := orders().start()
	defer stop()
	for _, c := range []struct {
		why  string
		with func(*healthcheck.Config)
		args []string
		want string
	}{
		{"no rules", func(c *healthcheck.Config) { c.Rules = nil }, hour, "Config.Rules is empty"},
		{"a bad rule", func(c *healthcheck.Config) { c.Rules[0].Fail, c.Rules[1].Name = rule.Limit{}, "" }, hour, "queue: Fail: neither Fail nor Warn is set(?s:.*)Name: rule 2 has none"},
		{"a name twice", func(c *healthcheck.Config) { c.Rules[1].Name = "queue" }, hour, `queue: Name: "queue" is used twice`},
		{"an effect", func(c *healthcheck.Config) { c.Rules[0].OnFail = "fatal" }, hour, `queue: OnFail: "fatal" is not an effect`},
		{"a format", nil, append([]string{"-format", "xml"}, hour...), `-format "xml" is not text, json or html`},
		{"a duration", nil, []string{"-last", "week"}, `-last "week" is no duration: write 7d`},
		{"a time", nil, []string{"-from", "monday"}, `-from "monday" is no time: write 2026-11-28T15:04:05Z`},
		{"turned round", nil, []string{"-from", "2026-10-02", "-to", "2026-10-01"}, "-from 2026-10-02T00:00:00Z is not before -to"},
		{"a header", nil, []string{"-header", "token"}, `"token" is no header: write -header`},
		{"a variable", nil, []string{"-header", "Authorization: Bearer $NO_SUCH_TOKEN"}, `\$NO_SUCH_TOKEN of the header Authorization is not set`},
		{"two begins", nil, []string{"-from", "2026-10-01", "-last", "2d"}, "-from and -last both say when"},
		{"centuries", nil, []string{"-last", "213504d"}, `-last "213504d" is no duration`},
		{"a day less", nil, []string{"-last", "1d-23h"}, `-last "1d-23h" is no duration`},
		{"an instance", nil, append(slices.Clone(hour), "-instance", "pod"), "InstanceLabels: no series has the label pod: there are .*job, service_instance_id"},
		{"a selector", nil, append(slices.Clone(hour), "-selector", `job="nobody"`), `Selector: .*job="nobody".*matches no series`},
		{"no backend", nil, append(slices.Clone(hour), "-url", "http://localhost:1"), "URL: http://localhost:1 can't be reached"},
		{"no directory", nil, append(slices.Clone(hour), "-o", filepath.Join(t.TempDir(), "no", "file")), "no such file or directory"},
	} {
		config := Health()
		if c.with != nil {
			c.with(&config)
		}
		code, _, err := command(t.Context(), config, append([]string{"-url", url}, c.args...)...)
		if code != backtest.Failed || err == nil || !regexp.MustCompile(c.want).MatchString(err.Error()) {
			t.Errorf("%s: %d, %v; want %s", c.why, code, err, c.want)
		}
	}
	bad := Health()
	bad.Rules[0].For = -1
	_, err := backtest.Run(t.Context(), backtest.Options{Config: bad, URL: url})
	if mistake, is := errors.AsType[*cfgerrors.Error](err); !is || mistake.Item != "queue" || mistake.Field != "For" {
		t.Errorf("For: %v", err)
	}
}

// TestHeaders: headers go to the backend, and their secrets come from the environment.
func TestHeaders(t *testing.T) {
	t.Setenv("TOKEN", "hunter2")
	p := orders()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // two instances are read at once
		if got := r.Header.Get("Authorization"); got != "Bearer hunter2" {
			t.Errorf("%s has %q", r.URL.Path, got)
		}
		p.ServeHTTP(w, r)
	}))
	defer s.Close()
	if _, _, err := command(t.Context(), Health(), append(hour, "-url", s.URL, "-header", "Authorization: Bearer $TOKEN")...); err != nil {
		t.Error(err)
	}
}

// TestStops: a program that is stopped ends at once, with an error.
func TestStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan bool, 1)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- true
		<-r.Context().Done()
	}))
	defer s.Close()
	go func() {
		<-asked
		cancel()
	}()
	if code, _, err := command(ctx, Health(), append(hour, "-url", s.URL)...); code != backtest.Failed || err == nil || err.Error() != "backtest: stopped" {
		t.Errorf("%d, %v", code, err)
	}
}

// recorded adds the recorded state of a check or a probe.
func (p *prometheus) recorded(metric, of, name, instance string, state func(n int) verdict.State) {
	for _, s := range []verdict.State{verdict.Pass, verdict.Warn, verdict.Fail} {
		p.add(func(n int) float64 {
			if state(n) == s {
				return 1
			}
			return 0
		}, 240, "__name__", metric, of, name, strings.Replace(of, "name", "state", 1), string(s), "service_instance_id", instance)
	}
}

// TestRecorded: certain states are compared with the recorded ones, and the result has the first difference.
func TestRecorded(t *testing.T) {
	for limit, want := range map[int]float64{80: 1, 100: .9} {
		p := orders()
		for _, instance := range []string{"a", "b"} {
			since := 0.0
			p.recorded("health_check_status", "health_check_name", "queue", instance, func(n int) verdict.State {
				if instance == "b" && n > 120 && n <= 140 { // a judgement is exported with the next collection
					return verdict.Fail
				}
				return verdict.Pass
			})
			p.add(func(n int) float64 {
				if instance == "b" && (n == 121 || n == 141) {
					since = float64(began.Add(time.Duration(n-1)*step).Unix()) + .01
				}
				return since
			}, 240, "__name__", "health_check_last_transition_timestamp_seconds", "health_check_name", "queue", "service_instance_id", instance)
		}
		url, stop := p.start()
		c := Health()
		c.Rules[0].Fail = rule.Above(limit)
		r, err := backtest.Run(t.Context(), backtest.Options{Config: c, URL: url, From: began.Add(10 * time.Minute), To: began.Add(time.Hour)})
		stop()
		if err != nil {
			t.Fatal(err)
		}
		a := r.Rules[0].Recorded
		if a == nil || a.Samples < 390 || a.Samples > 400 || r.Rules[1].Recorded != nil {
			t.Fatalf("limit %d: %+v", limit, a)
		}
		if share := float64(a.Equal) / float64(a.Certain); a.Certain == 0 || share > 1 || share < want-.1 || (share == 1) != (a.Differs == nil) || (want == 1) != (share == 1) {
			t.Errorf("limit %d: %+v", limit, a)
		}
		if d := a.Differs; limit == 100 && (d == nil || d.Instance != "b" || d.Recorded != verdict.Fail || d.Backtest != verdict.Pass) {
			t.Errorf("the first difference is %+v", d)
		}
	}
}

// TestFleet finds the worst time of all instances together. A gap is no state.
func TestFleet(t *testing.T) {
	p := &prometheus{}
	for n, bad := range []struct{ from, to int }{{100, 120}, {110, 130}, {300, 300}} {
		p.add(func(k int) float64 {
			switch {
			case k >= bad.from && k < bad.to:
				return 95
			case n == 2 && k >= 150 && k < 200:
				var none float64
				return none / none
			}
			return 1
		}, 240, "__name__", "queue_length", "service_instance_id", string(rune('a'+n)))
	}
	url, stop := p.start()
	defer stop()
	c := Health()
	c.Rules = c.Rules[:1]
	r, err := backtest.Run(t.Context(), backtest.Options{Config: c, URL: url, From: began, To: began.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	at := began.Add(110 * step)
	if want := (backtest.At{Low: 2, High: 2, Of: 3, Time: at}); r.Fleet.MostOut != want {
		t.Errorf("most out: %+v", r.Fleet.MostOut)
	}
	if want := (backtest.At{Low: 1, High: 1, Of: 3, Time: at}); r.Fleet.FewestReady != want {
		t.Errorf("fewest ready: %+v", r.Fleet.FewestReady)
	}
	if want := backtest.Seconds(50 * 15); r.Ready.NoData != want {
		t.Errorf("no data: %v", r.Ready.NoData)
	}
	if want := backtest.Seconds(40 * 15); r.Ready.Fail != want || r.Ready.Flips != 4 || !r.Ready.First.Equal(began.Add(100*step)) || !r.Ready.Last.Equal(began.Add(130*step)) {
		t.Errorf("%+v", r.Ready)
	}
	b, err := json.Marshal(r)
	if err != nil || !bytes.Contains(b, []byte(`{"from":"2026-10-01T12:25:00Z","to":"2026-10-01T12:30:00Z","low":"fail","high":"fail"}`)) {
		t.Errorf("%s, %v", b, err)
	}
}

// TestNotes: there is a note on a metric that does not exist, and on a limit between two bucket boundaries.
func TestNotes(t *testing.T) {
	p := orders()
	for _, le := range []string{"0.25", "0.5", "1", "+Inf"} {
		p.add(func(n int) float64 { return float64(300 * n) }, 240, "__name__", "http_server_request_duration_seconds_bucket", "le", le, "service_instance_id", "a")
	}
	p.add(func(n int) float64 { return float64(300 * n) }, 240, "__name__", "http_server_request_duration_seconds_count", "service_instance_id", "a")
	url, stop := p.start()
	defer stop()
	c := Health()
	c.Rules = append(c.Rules,
		rule.Rule{Name: "latency", Value: rule.Quantile(.99, "http.server.request.duration"), Fail: rule.Above(300 * time.Millisecond)},
		rule.Rule{Name: "typo", Value: rule.Last("queue.lenght"), Fail: rule.Above(1)})
	r, err := backtest.Run(t.Context(), backtest.Options{Config: c, URL: url, From: began, To: began.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	notes := strings.Join(r.Notes, "\n")
	for _, want := range []string{"latency: 300ms is not a bucket boundary of http.server.request.duration", "[0.25 0.5 1]", "typo: no instance has a series of queue.lenght"} {
		if !strings.Contains(notes, want) {
			t.Errorf("notes lack %q: %s", want, notes)
		}
	}
	for _, write := range []func(io.Writer) error{r.WriteText, r.WriteHTML} {
		var text bytes.Buffer
		if err := write(&text); err != nil {
			t.Fatal(err)
		}
		if note, numbers := strings.Index(text.String(), "typo: no instance"), strings.Index(text.String(), "Most out at once"); note < 0 || note > numbers {
			t.Errorf("a metric that does not exist is noted at %d, after the numbers at %d:\n%s", note, numbers, &text)
		}
	}
}
