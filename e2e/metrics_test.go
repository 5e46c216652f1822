package e2e

import (
	"errors"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/otelhealth/otelhealth/e2e/servers"
)

// sample is a line of /metrics with its labels.
type sample struct {
	name   string
	labels map[string]string
	value  string
}

var (
	line  = regexp.MustCompile(`(?m)^(\w+)(?:\{(.*)\})? (\S+)$`)
	label = regexp.MustCompile(`(\w+)="((?:[^"\\]|\\.)*)"`)
)

func (d *demo) metrics() (samples []sample) {
	d.t.Helper()
	code, _, body := d.ask(http.MethodGet, d.admin+"/metrics", "")
	if code != http.StatusOK {
		d.t.Fatalf("/metrics: %d %s", code, body)
	}
	return parse(body)
}

func parse(body []byte) (samples []sample) {
	for _, m := range line.FindAllStringSubmatch(string(body), -1) {
		s := sample{name: m[1], labels: map[string]string{}, value: m[3]}
		for _, l := range label.FindAllStringSubmatch(m[2], -1) {
			s.labels[l[1]] = l[2]
		}
		samples = append(samples, s)
	}
	return samples
}

// states returns the state of each check. Readiness has the key "".
func states(t *testing.T, samples []sample) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, s := range samples {
		var who, state string
		switch {
		case s.name == "health_check_status":
			who, state = s.labels["health_check_name"], s.labels["health_check_state"]
		case s.name == "health_probe_status" && s.labels["health_probe_name"] == "readiness":
			state = s.labels["health_probe_state"]
		}
		if state == "" || s.value == "0" {
			continue
		}
		if other, twice := found[who]; twice || s.value != "1" {
			t.Errorf("/metrics has %q in the states %s (%s) and %q", who, state, s.value, other)
		}
		found[who] = state
	}
	return found
}

// agree checks that /metrics and /ready have the same states. It reads /ready before and after
// /metrics, until both answers are equal.
func (d *demo) agree() {
	d.t.Helper()
	var ready, metrics map[string]string
	servers.Poll(d.t, "/ready has the same state before and after /metrics", func() error {
		before := d.probe("/ready?verbose") // the short body has no room for all checks
		metrics = states(d.t, d.metrics())
		after := d.probe("/ready?verbose")
		ready = before.states()
		if !reflect.DeepEqual(ready, after.states()) {
			return errors.New("the state has changed")
		}
		return nil
	})
	if !reflect.DeepEqual(ready, metrics) {
		d.t.Errorf("/ready has %v\n/metrics has %v", ready, metrics)
	}
}

func (p probe) states() map[string]string {
	found := map[string]string{"": p.Status}
	for name, list := range p.Checks {
		found[name] = list[0].Status
	}
	return found
}

func TestLine(t *testing.T) {
	text := "# HELP a b\na{x=\"1\",y=\"a\\\"} 2\"} 3\nup 1.5e+09\n"
	var got []string
	for _, m := range line.FindAllStringSubmatch(text, -1) {
		got = append(got, m[1], m[3])
		for _, l := range label.FindAllStringSubmatch(m[2], -1) {
			got = append(got, l[1]+":"+l[2])
		}
	}
	if want := `a 3 x:1 y:a\"} 2 up 1.5e+09`; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", strings.Join(got, " "), want)
	}
}
