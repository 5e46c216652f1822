package evidence

import (
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/rule"
)

// TestUnmatched: a filter that matches nothing although the metric counts is reported, and is lasting after a window.
// On a good day there is no failure, so a filter for failures is reported only if no event has its attribute.
func TestUnmatched(t *testing.T) {
	in := rule.Increase("m")
	counts := func(kv ...string) func(n int64) Catalog {
		return func(n int64) Catalog { return collection("", counter(cum, point(50*n, kv...))) }
	}
	ok := counts("code", "200", "route", "/cart")
	checkout := in.Where("route", "/checkout")
	for _, c := range []struct {
		why   string
		value rule.Indicator
		fail  rule.Limit
		data  func(n int64) Catalog
		want  string
	}{
		{"no route at all", rule.Ratio(in.Where("code", "500"), in).Where("route", "/checkout"), rule.Above(.05), counts("code", "500"),
			"nothing matches route=/checkout: 150 events have no route, but code"},
		{"another route", rule.Ratio(checkout.Where("code", "500"), checkout), rule.Above(.05), ok, "nothing matches route=/checkout: 150 events have another route"},
		{"a renamed attribute of failures", rule.Ratio(in.Where("status", "500"), in), rule.Above(.05), ok, "nothing matches status=500: 150 events have no status, but code, route"},
		{"no failure", rule.Ratio(in.Where("code", "500"), in), rule.Above(.05), ok, ""},
		{"failures alone have an error.type", rule.Ratio(in.Where("error.type", "timeout"), in), rule.Above(.05), ok, ""},
		{"any error", rule.Ratio(in.WhereNot("error.type", ""), in), rule.Above(.05), ok, ""},
		{"a limit on failures", in.Where("code", "500"), rule.Above(3), ok, ""},
		{"a limit on failures by another name", in.Where("status", "500", "503"), rule.Above(3), ok, "nothing matches status=500|503: 150 events have no status, but code, route"},
		{"progress", in.Where("route", "/checkout").WhereNot("code", "500"), rule.Below(1), ok, "nothing matches route=/checkout,code!=500: 150 events have another route"},
		{"nothing is left", rule.Ratio(in, in).WhereNot("code", "200"), rule.Above(.5), ok, "nothing matches code!=200: 150 events match a part of it"},
		{"no filter", in, rule.Above(1e9), ok, ""},
		{"no traffic", checkout, rule.Below(1), func(int64) Catalog { return ok(1) }, ""},
		{"no attributes", checkout, rule.Below(1), counts(), "nothing matches route=/checkout: 150 events have no route"},
	} {
		t.Run(c.why, func(t *testing.T) {
			s := NewSampler(queryOf(rule.Rule{Value: c.value, Window: 3 * time.Second, Fail: c.fail}), false, observable)
			at := time.Unix(1e9, 0)
			for n := range int64(9) {
				s.Sample(at.Add(time.Duration(n)*time.Second), c.data(n))
				r := read(s)
				if r.Problem != "" {
					t.Fatal(r.Problem)
				}
				u := r.Unmatched
				if n == 0 || c.want == "" {
					if u != nil {
						t.Fatalf("after %d s: %+v", n, u)
					}
					continue
				}
				if u == nil || u.Lasting != (n >= 4) || n >= 3 && u.Text != c.want {
					t.Fatalf("after %d s: %+v, want %q", n, u, c.want)
				}
			}
			good := collection("", counter(cum, point(int64(1), "code", "500", "status", "500", "route", "/checkout"), point(int64(1), "code", "201", "status", "1", "route", "/checkout")))
			for n := range 2 {
				s.Sample(at.Add(time.Duration(n+9)*time.Second), good)
			}
			if u := read(s).Unmatched; u != nil {
				t.Errorf("once it matches: %+v", u)
			}
		})
	}
}
