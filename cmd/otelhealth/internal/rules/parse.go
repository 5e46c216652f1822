// Package rules reads rules from the command line:
//
//	latency: Quantile(0.99, http.server.request.duration) > 500ms, window 30s, not-ready
//	queue: Last(queue.length) > 80, warn > 50
//	errors: Ratio(Increase(requests{error.type!=""}), Increase(requests)) > 0.05, for 1m, per http.route
package rules

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// Parse reads one rule. The error says where it can't be read, and what is expected there.
func Parse(text string) (rule.Rule, error) {
	p := &parser{text: text}
	r := p.rule()
	if p.err != nil {
		return rule.Rule{}, p.err
	}
	return r, nil
}

type parser struct {
	text   string
	at     int
	err    error
	shadow bool // the options have no order
}

// fail notes the first mistake.
func (p *parser) fail(format string, a ...any) {
	if p.err == nil {
		p.err = fmt.Errorf("rule %q, at %q: %s", p.text, shorten(p.text[p.at:]), fmt.Sprintf(format, a...))
	}
}

func shorten(s string) string {
	if s == "" {
		return "the end"
	}
	if len(s) > 24 {
		s = s[:24] + "…"
	}
	return strings.ToValidUTF8(s, "?")
}

func (p *parser) space() {
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == '\t') {
		p.at++
	}
}

// take reads s if it is next, and reports whether it was.
func (p *parser) take(s string) bool {
	p.space()
	if strings.HasPrefix(p.text[p.at:], s) {
		p.at += len(s)
		return true
	}
	return false
}

func (p *parser) want(s string) {
	if !p.take(s) {
		p.fail("%q is missing", s)
	}
}

// word reads a name: a metric, an attribute, a number or a keyword. It may be in quotes.
func (p *parser) word(what string) string {
	p.space()
	if p.at < len(p.text) && (p.text[p.at] == '"' || p.text[p.at] == '`') {
		quoted, err := strconv.QuotedPrefix(p.text[p.at:])
		if err != nil {
			p.fail("the text in quotes does not end")
			return ""
		}
		s, err := strconv.Unquote(quoted)
		if err != nil {
			p.fail("the text in quotes is malformed")
			return ""
		}
		p.at += len(quoted)
		return s
	}
	begin := p.at
	for p.at < len(p.text) && !strings.ContainsRune(" \t,(){}=!<>\"`", rune(p.text[p.at])) {
		p.at++
	}
	if p.at == begin {
		p.fail("%s is missing", what)
	}
	return p.text[begin:p.at]
}

func (p *parser) rule() (r rule.Rule) {
	if before, after, has := strings.Cut(p.text, ": "); has && !strings.ContainsAny(before, "(\"{") {
		r.Name = strings.TrimSpace(before)
		p.at = len(p.text) - len(after)
	}
	r.Value = p.value()
	r.Fail = p.limit()
	for p.err == nil && p.take(",") {
		p.option(&r)
	}
	if p.shadow {
		r.OnFail = r.OnFail.InShadow()
	}
	if p.space(); p.err == nil && p.at < len(p.text) {
		p.fail("expected a comma, and then one of %s", strings.Join(options, ", "))
	}
	return r
}

var options = []string{"warn > LIMIT", "window 30s", "for 1m", "keep 1m", "min 10", "per ATTRIBUTE", "not-ready", "warn-only", "show", "restart", "shadow"}

func (p *parser) option(r *rule.Rule) {
	switch word := p.word("an option"); word {
	case "warn":
		r.Warn = p.limit()
	case "window":
		r.Window = p.duration()
	case "for":
		r.For = p.duration()
	case "keep":
		r.KeepFor = p.duration()
	case "min":
		n, err := strconv.Atoi(p.word("a number of events"))
		if err != nil {
			p.fail("min takes a number of events, such as min 10")
		}
		r.MinEvents = n
	case "per":
		r.Per = append(r.Per, p.word("an attribute"))
	case "not-ready", "show", "restart":
		r.OnFail = verdict.Effect(word)
	case "warn-only":
		r.OnFail = healthcheck.WarnOnly
	case "shadow":
		p.shadow = true
	default:
		p.fail("%q is no option: write one of %s", word, strings.Join(options, ", "))
	}
}

// limit reads > 80 or < 500ms.
func (p *parser) limit() rule.Limit {
	lower := p.take("<")
	if !lower && !p.take(">") {
		p.fail("expected > or <, and then the limit")
		return rule.Limit{}
	}
	text := p.word("a limit")
	if d, err := time.ParseDuration(text); err == nil && text != "0" {
		return limit(d, lower)
	}
	v, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
	if err != nil {
		p.fail("%q is no limit: write a number such as 80 or 5%%, or a duration such as 500ms", text)
	}
	if strings.HasSuffix(text, "%") {
		v /= 100
	}
	return limit(v, lower)
}

func limit[N rule.Number](n N, lower bool) rule.Limit {
	if lower {
		return rule.Below(n)
	}
	return rule.Above(n)
}

func (p *parser) duration() time.Duration {
	text := p.word("a duration")
	d, err := time.ParseDuration(text)
	if err != nil {
		p.fail("%q is no duration: write 30s, 5m or 1h", text)
	}
	return d
}

// values are the functions of package rule.
var values = "Last, TimeSince, TimeUntil, Increase, ShareAbove, Quantile and Ratio"

// maxDepth limits how deep values are nested.
const maxDepth = 4

func (p *parser) value() rule.Indicator { return p.deep(1) }

func (p *parser) deep(depth int) (i rule.Indicator) {
	if depth > maxDepth {
		p.fail("too many values in one another")
		return i
	}
	name := p.word("a value")
	p.want("(")
	switch name {
	case "Last":
		i = p.metric(rule.Last)
	case "Sum":
		i = p.inner(depth).Sum()
	case "Max":
		i = p.inner(depth).Max()
	case "Min":
		i = p.inner(depth).Min()
	case "TimeSince":
		i = p.metric(rule.TimeSince)
	case "TimeUntil":
		i = p.metric(rule.TimeUntil)
	case "Increase":
		i = p.metric(rule.Increase)
	case "ShareAbove":
		text := p.word("a bound")
		p.want(",")
		if d, err := time.ParseDuration(text); err == nil && text != "0" {
			i = p.metric(func(m string) rule.Indicator { return rule.ShareAbove(d, m) })
		} else if v, err := strconv.ParseFloat(text, 64); err == nil {
			i = p.metric(func(m string) rule.Indicator { return rule.ShareAbove(v, m) })
		} else {
			p.fail("%q is no bound: write ShareAbove(500ms, METRIC)", text)
		}
	case "Quantile":
		text := p.word("a quantile")
		q, err := strconv.ParseFloat(text, 64)
		if err != nil {
			p.fail("%q is no quantile: write Quantile(0.99, METRIC)", text)
		}
		p.want(",")
		i = p.metric(func(m string) rule.Indicator { return rule.Quantile(q, m) })
	case "Ratio":
		num := p.deep(depth + 1)
		p.want(",")
		i = rule.Ratio(num, p.deep(depth+1))
	default:
		p.fail("%q is no value: there are %s", name, values)
	}
	p.want(")")
	return i
}

// inner reads the value in Sum, Max or Min.
func (p *parser) inner(depth int) rule.Indicator { return p.deep(depth + 1) }

// metric reads a metric and its filter: queue.length{queue.name="jobs|mails", shard!="0"}.
func (p *parser) metric(of func(string) rule.Indicator) rule.Indicator {
	i := of(p.word("a metric"))
	if !p.take("{") {
		return i
	}
	for p.err == nil {
		key := p.word("an attribute")
		not := p.take("!=")
		if !not {
			p.want("=")
		}
		all := strings.Split(p.word("a value in quotes"), "|")
		if not {
			i = i.WhereNot(key, all...)
		} else {
			i = i.Where(key, all...)
		}
		if p.take("}") {
			return i
		}
		p.want(",")
	}
	return i
}

// All reads rules, and names those without a name by their number.
func All(texts []string) (all []rule.Rule, err error) {
	var errs []error
	for n, text := range texts {
		r, err := Parse(text)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if r.Name == "" {
			r.Name = fmt.Sprintf("rule %d", n+1)
		}
		all = append(all, r)
	}
	return all, errors.Join(errs...)
}
