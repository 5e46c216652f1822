package rules

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
)

const duration = "http.server.request.duration"

var good = map[string]rule.Rule{
	`latency: Quantile(0.99, http.server.request.duration) > 500ms, window 1m, not-ready`: {Name: "latency", Value: rule.Quantile(.99, duration),
		Fail: rule.Above(500 * time.Millisecond), Window: time.Minute, OnFail: healthcheck.NotReady},
	`queue: Last("queue.length") > 80, warn > 50`: {Name: "queue", Value: rule.Last("queue.length"), Fail: rule.Above(80.0), Warn: rule.Above(50.0)},
	`ShareAbove(250ms,http.server.request.duration{http.route="/a|/b",error.type!=""}) > 5%, min 20, per http.route, per http.request.method, for 30s, keep 1m`: {
		Value: rule.ShareAbove(250*time.Millisecond, duration).Where("http.route", "/a", "/b").WhereNot("error.type", ""),
		Fail:  rule.Above(.05), MinEvents: 20, Per: []string{"http.route", "http.request.method"}, For: 30 * time.Second, KeepFor: time.Minute},
	`errors: Ratio(Increase(jobs{state="failed"}), Increase(jobs)) > 0.1, show`: {Name: "errors",
		Value: rule.Ratio(rule.Increase("jobs").Where("state", "failed"), rule.Increase("jobs")), Fail: rule.Above(.1), OnFail: healthcheck.ShowOnly},
	`cert: TimeUntil(tls.end) < 336h`:                 {Name: "cert", Value: rule.TimeUntil("tls.end"), Fail: rule.Below(336 * time.Hour)},
	`Last(queue.length) > 80, shadow, not-ready`:      {Value: rule.Last("queue.length"), Fail: rule.Above(80.0), OnFail: healthcheck.NotReady.InShadow()},
	`Max(Last(queue.length)) > 80, not-ready, shadow`: {Value: rule.Last("queue.length").Max(), Fail: rule.Above(80.0), OnFail: healthcheck.NotReady.InShadow()},
}

func TestParse(t *testing.T) {
	for text, want := range good {
		if got, err := Parse(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"":                               "a value is missing",
		"queue.length > 80":              `at "> 80": "(" is missing`,
		"Median(x) > 1":                  `"Median" is no value: there are Last,`,
		"Last(x)":                        "expected > or <",
		"Last(x) > many":                 `"many" is no limit: write a number such as 80 or 5%`,
		"Last(x) > 1 for 1m":             `at "for 1m": expected a comma`,
		"Last(x) > 1, window":            "a duration is missing",
		"Last(x) > 1, window 5":          `"5" is no duration: write 30s`,
		"Last(x) > 1, min many":          "min takes a number",
		"Last(x) > 1, often":             `"often" is no option: write one of warn > LIMIT`,
		"Last() > 1":                     "a metric is missing",
		`Last(x{a="b) > 1`:               "the text in quotes does not end",
		`Last(x{a~"b"}) > 1`:             `"=" is missing`,
		"Quantile(p99, x) > 1s":          `"p99" is no quantile: write Quantile(0.99, METRIC)`,
		"ShareAbove(x) > 1":              `"," is missing`,
		"Ratio(Ratio(Ratio(Ratio(Ratio(": "too many values",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %s", text, err, want)
		}
	}
	if _, err := All([]string{"Last(", "Last("}); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("two mistakes: %v", err)
	}
	if all, err := All([]string{"Last(x) > 1"}); err != nil || all[0].Name != "rule 1" {
		t.Errorf("without a name: %v, %v", all, err)
	}
}

// FuzzParse: no text makes it panic or run for ever, and an error says something.
func FuzzParse(f *testing.F) {
	for text := range good {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := Parse(text); err != nil && err.Error() == "" {
			t.Errorf("%q: an empty error", text)
		}
	})
}
