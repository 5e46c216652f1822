package healthcheck

import (
	"fmt"
	"time"
)

// rule is a check by a Limit. The judge owns it.
type rule struct {
	check   Check
	sampler *sampler
	created func(metric string) (created, known bool)
	began   time.Time // of the monitor
}

// foreignGrace is how long a gauge of a provider without our View may be missing:
// nobody can see whether its instrument was created.
const foreignGrace = time.Minute

func (r *rule) assess(at moment) finding {
	in := &r.check.Limit.indicator
	read := r.sampler.reading.Load()
	if read == nil {
		return finding{state: Unknown, output: "metrics have not been collected yet"}
	}
	f := finding{state: Pass, unit: read.unit, window: in.window, quantile: in.quantile}
	if read.problem != "" {
		f.state, f.output = Unknown, read.problem
		return f
	}
	if len(read.groups) == 0 {
		f.state, f.output = r.missing(at)
		return f
	}
	worst := -1
	for n := range read.groups {
		if worst < 0 || worse(&read.groups[n], &read.groups[worst]) {
			worst = n
		}
	}
	m := &read.groups[worst]
	f.group = m.group
	if m.empty {
		return f
	}
	f.hasValue, f.value, f.share = true, m.value, m.share
	if m.crossed != nil {
		f.state = m.crossed.state()
		f.output = fmt.Sprintf("%s of %s", in.quantity(m.value, read.unit), m.crossed.words())
	}
	return f
}

// missing judges a metric without series.
func (r *rule) missing(at moment) (State, string) {
	in := &r.check.Limit.indicator
	for _, name := range in.metrics() {
		created, known := r.created(name)
		if known && !created {
			return Unknown, fmt.Sprintf("no instrument named %q has been created", name)
		}
		if !in.windowed() && (known || at.now.Sub(r.began) > foreignGrace) {
			return Unknown, fmt.Sprintf("%s has no value", name)
		}
	}
	return Pass, "" // no traffic is not an outage
}

// metrics are the names of the metrics that the indicator reads.
func (i *Indicator) metrics() []string {
	if i.kind == kindRatio && i.num.metric != i.den.metric {
		return []string{i.num.metric, i.den.metric}
	}
	return []string{i.metric}
}

// worse orders groups so that the one that decides comes first: by state, then
// by value, then by name.
func worse(a, b *measure) bool {
	rank := func(m *measure) int {
		switch {
		case m.crossed == nil && m.empty:
			return 0
		case m.crossed == nil:
			return 1
		case m.crossed.state() == Warn:
			return 2
		}
		return 3
	}
	if ra, rb := rank(a), rank(b); ra != rb {
		return ra > rb
	}
	if a.value != b.value {
		lower := a.crossed != nil && (a.crossed.edge == minFail || a.crossed.edge == minWarn)
		return (a.value > b.value) != lower
	}
	return groupName(a.group) < groupName(b.group)
}

// quantity reads "p99 0.81 s" or "95 {item}".
func (i *Indicator) quantity(v float64, unit string) string {
	s := number(v)
	switch {
	case i.kind == kindQuantile:
		s = "p" + number(i.quantile*100) + " " + s
	case i.kind == kindOver || i.kind == kindRatio:
		return number(v*100) + " %"
	}
	if unit != "" && unit != "1" && unit[0] != '{' {
		s += " " + unit
	}
	return s
}
