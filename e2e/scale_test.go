package e2e

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

const rulesFile = "../grafana/alerts/otelhealth.yaml"

// pace shortens the durations of a rule file. It divides them by the field by. Before that it limits a `for` to
// the field most. A most of zero means no limit.
type pace struct {
	by   int
	most time.Duration
}

const ruleDuration = `\d+(?:s|m|h|d)`

var (
	ruleFor     = regexp.MustCompile(`(?m)^( +for: )(` + ruleDuration + `)$`)
	ruleTime    = regexp.MustCompile(`(?m)^( +(?:keep_firing_for|interval): )(` + ruleDuration + `)$`)
	ruleWindow  = regexp.MustCompile(`\[(` + ruleDuration + `)(?::(` + ruleDuration + `))?\]`)
	ruleOffset  = regexp.MustCompile(`( offset )(` + ruleDuration + `)`)
	ruleAge     = regexp.MustCompile(`( / | < )(300|600)(\s)`)                        // seconds of a window, and the age of a new instance
	ruleSeconds = regexp.MustCompile(`(predict_linear\([^,\n]*, |\* )(\d+)(\)| >= )`) // seconds in predict_linear, and a group's interval in a count
)

// rules rewrites the text of a rule file. It keeps thresholds, and the labels and annotations with
// a duration. Thresholds are shares, counts, and ages of a request or a run. The latter run in real
// time.
func (p pace) rules(text string) string {
	text = ruleFor.ReplaceAllStringFunc(text, func(s string) string {
		m := ruleFor.FindStringSubmatch(s)
		d := parseDuration(m[2])
		if p.most > 0 {
			d = min(d, p.most)
		}
		return m[1] + p.duration(d)
	})
	text = ruleTime.ReplaceAllStringFunc(text, func(s string) string {
		m := ruleTime.FindStringSubmatch(s)
		return m[1] + p.duration(parseDuration(m[2]))
	})
	text = ruleWindow.ReplaceAllStringFunc(text, func(s string) string {
		m := ruleWindow.FindStringSubmatch(s)
		if m[2] == "" {
			return "[" + p.duration(parseDuration(m[1])) + "]"
		}
		return "[" + p.duration(parseDuration(m[1])) + ":" + p.duration(parseDuration(m[2])) + "]"
	})
	text = ruleOffset.ReplaceAllStringFunc(text, func(s string) string {
		m := ruleOffset.FindStringSubmatch(s)
		return m[1] + p.duration(parseDuration(m[2]))
	})
	text = ruleAge.ReplaceAllStringFunc(text, func(s string) string {
		m := ruleAge.FindStringSubmatch(s)
		return m[1] + fmt.Sprint(p.of(parseDuration(m[2]+"s")).Seconds()) + m[3]
	})
	return ruleSeconds.ReplaceAllStringFunc(text, func(s string) string {
		m := ruleSeconds.FindStringSubmatch(s)
		return m[1] + fmt.Sprint(p.of(parseDuration(m[2]+"s")).Seconds()) + m[3]
	})
}

func (p pace) of(d time.Duration) time.Duration { return d / time.Duration(p.by) }

func (p pace) duration(d time.Duration) string { return fmt.Sprintf("%dms", p.of(d).Milliseconds()) }

// parseDuration reads a duration of the rule file. The regular expressions have checked its form.
func parseDuration(s string) time.Duration {
	var n int
	var unit string
	if _, err := fmt.Sscanf(s, "%d%s", &n, &unit); err != nil {
		panic(s)
	}
	return time.Duration(n) * map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[unit]
}

func TestPace(t *testing.T) {
	p := pace{20, 30 * time.Minute}
	for _, c := range [][2]string{
		{"    interval: 30s", "    interval: 1500ms"},
		{"        for: 2m", "        for: 6000ms"},
		{"        for: 4h", "        for: 90000ms"},
		{"        keep_firing_for: 4h", "        keep_firing_for: 720000ms"},
		{"x[5m]", "x[15000ms]"},
		{"x[1h:1m]", "x[180000ms:3000ms]"},
		{"predict_linear(queue_length[15m], 1800)", "predict_linear(queue_length[45000ms], 90)"},
		{"sum_over_time(x[3d]) * 30 >= 10", "sum_over_time(x[12960000ms]) * 1.5 >= 10"},
		{"x offset 5m", "x offset 15000ms"},
		{"x / 300\n", "x / 15\n"},
		{"x < 600\n", "x < 30\n"},
		{"          long: 1h", "          long: 1h"},
		{`          summary: "for: 1h"`, `          summary: "for: 1h"`},
		{"> 14.4 * 0.01", "> 14.4 * 0.01"},
		{"3 * max by (job) (x[2m]) + 60", "3 * max by (job) (x[6000ms]) + 60"},
	} {
		if got := p.rules(c[0]); got != c[1] {
			t.Errorf("%s: %s, want %s", c[0], got, c[1])
		}
	}
	shipped, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	// Only the exceptions may keep their old durations.
	named := regexp.MustCompile(`^ +(long|short|summary|description|runbook_url|dashboard_url|- record|- alert|for|keep_firing_for|interval|severity|reason|rule_group|- name): `)
	rest := regexp.MustCompile(`[^:\w]` + ruleDuration + `\b`)
	label := regexp.MustCompile(`long="\w+"`) // of ALERTS
	n := 0
	for line := range strings.Lines(p.rules(string(shipped))) {
		if !named.MatchString(line) && rest.MatchString(label.ReplaceAllString(line, "")) {
			t.Errorf("not scaled: %s", line)
		}
		n += strings.Count(line, "ms")
	}
	if want := len(regexp.MustCompile(`(?m)^ +(for|keep_firing_for|interval): `).FindAll(shipped, -1)); n < 2*want {
		t.Errorf("%d durations scaled, %d of them in alerts and groups", n, want)
	}
	if same := (pace{1, 0}).rules(string(shipped)); len(ruleFor.FindAllString(same, -1)) != 0 || !strings.Contains(same, "for: 14400000ms") {
		t.Error("at the pace of real time the durations differ from the shipped ones")
	}
}
