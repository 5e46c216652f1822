package backtest

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
	"github.com/otelhealth/otelhealth/healthcheck/internal/history"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/internal/replay"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// Options say which metrics are judged, by which rules, and where they were recorded.
type Options struct {
	// Config has the rules. Its checks are functions without a recorded past, so they are not judged.
	// Result.Left names them.
	Config healthcheck.Config

	URL      string       // of Prometheus, or of a backend with its HTTP API; http://localhost:9090 if empty
	Selector string       // of the service's series, as in PromQL: job="orders",namespace="prod"
	Header   http.Header  // of every request, such as Authorization and X-Scope-OrgID
	Client   *http.Client // its transport has certificates and proxies; http.DefaultClient if nil

	// InstanceLabels distinguish instances. Of these labels, the first one that a series has counts. If
	// empty, they are the usual labels of OTLP, scrapes and Kubernetes.
	InstanceLabels []string

	From, To time.Time // a week until now if zero

	// Progress is called with the number of judged instances and the number of all, by one goroutine at a
	// time. Not called if nil.
	Progress func(done, all int)
}

const (
	defaultURL  = "http://localhost:9090"
	defaultSpan = 7 * 24 * time.Hour
)

// source returns the backend and the judged time.
func (o *Options) source() (s *history.Source, from, to time.Time) {
	to = o.To
	if to.IsZero() {
		to = time.Now()
	}
	if from = o.From; from.IsZero() {
		from = to.Add(-defaultSpan)
	}
	return &history.Source{
		URL: cmp.Or(o.URL, defaultURL), Client: o.Client, Header: o.Header, Selector: o.Selector, InstanceLabels: o.InstanceLabels,
	}, from, to
}

// rules converts the rules, and returns all mistakes in them.
func (o *Options) rules() (all []replay.Rule, err error) {
	var errs []error
	taken := map[string]bool{}
	if len(o.Config.Rules) == 0 {
		return nil, errors.New("backtest: Config.Rules is empty: write a rule, because only rules have a recorded past")
	}
	for n := range o.Config.Rules {
		r := &o.Config.Rules[n]
		bad := func(field, format string, a ...any) {
			errs = append(errs, &cfgerrors.Error{Item: r.Name, Field: field, Problem: fmt.Sprintf(format, a...)})
		}
		switch {
		case r.Name == "":
			bad("Name", "rule %d has none: the result names each rule", n+1)
		case taken[r.Name]:
			bad("Name", "%q is used twice", r.Name)
		}
		taken[r.Name] = true
		q := queryOf(r)
		for _, m := range q.Validate() {
			bad(m.Field, "%s", m.Problem)
		}
		if r.For < 0 {
			bad("For", "%v is negative", r.For)
		}
		if r.KeepFor < 0 {
			bad("KeepFor", "%v is negative", r.KeepFor)
		}
		effect, shadow := states.Split(cmp.Or(r.OnFail, verdict.Effect(states.WarnOnly)))
		effect = cmp.Or(effect, states.WarnOnly)
		if states.Role(effect) == "" {
			bad("OnFail", "%q is not an effect: write NotReady, WarnOnly, ShowOnly or Restart, or one of them with InShadow()", r.OnFail)
		}
		all = append(all, replay.Rule{Name: r.Name, Query: q, For: r.For, KeepFor: r.KeepFor, OnFail: effect, Shadow: shadow})
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("backtest: %w", errors.Join(errs...))
	}
	return all, nil
}

// queryOf converts a rule as a Monitor does.
func queryOf(r *rule.Rule) *query.Rule {
	return &query.Rule{
		Indicator: query.Indicator(r.Value).With(r.Window, r.MinEvents, r.Per),
		Bounds:    query.Bounds(query.Limit(r.Fail), query.Limit(r.Warn)),
	}
}

// describe writes a rule for people: p99 of http.server.request.duration over 30s, fails above 500ms.
func describe(r *replay.Rule) string {
	in := &r.Query.Indicator
	text := value(in)
	if in.Windowed() {
		text += " over " + short(in.Window)
	}
	for _, key := range in.GroupBy {
		text += ", by " + string(key)
	}
	for _, b := range r.Query.Bounds {
		what, side := "warns", "above"
		if b.Fails() {
			what = "fails"
		}
		if b.Lower() {
			side = "below"
		}
		limit := b.Number.String()
		if in.IsShare() && !b.Duration {
			limit = fmt.Sprintf("%.4g %%", 100*b.Value)
		}
		text += ", " + what + " " + side + " " + limit
	}
	if r.For > 0 {
		text += ", for " + short(r.For)
	}
	if r.KeepFor > 0 {
		text += ", keeps for " + short(r.KeepFor)
	}
	return text
}

func value(in *query.Indicator) string {
	name := in.Metric
	var parts []string
	for _, m := range in.Matchers {
		is := "="
		if m.Not {
			is = "!="
		}
		parts = append(parts, fmt.Sprintf("%s%s%q", m.Key, is, strings.Join(m.Values, "|")))
	}
	if len(parts) > 0 {
		name += "{" + strings.Join(parts, ",") + "}"
	}
	switch in.Kind {
	case query.KindTimeSince:
		return "time since " + name
	case query.KindTimeUntil:
		return "time until " + name
	case query.KindIncrease:
		return "increase of " + name
	case query.KindShareAbove:
		return fmt.Sprintf("share of %s above %v", name, in.Bound)
	case query.KindQuantile:
		return fmt.Sprintf("p%.4g of %s", 100*in.Quantile, name)
	case query.KindRatio:
		return value(in.Num) + " / " + value(in.Den)
	}
	return name
}

// short writes a duration without zeros at its end: 30s, 2m, 1h.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
