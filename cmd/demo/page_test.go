package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")
	promise    = regexp.MustCompile(`(\d{3})(?: "(.*)")?`)
	figure     = regexp.MustCompile(`\d+`)
)

// TestPages runs the commands of demo.md and of the README against a demo. /ready must answer what
// the comment behind a command says.
func TestPages(t *testing.T) {
	for page, least := range map[string]int{"../../docs/demo.md": 5, "../../README.md": 2} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		block := shellBlock.FindStringSubmatch(string(text))
		if block == nil {
			t.Fatalf("%s has no commands", page)
		}
		d := startDemo(t, func(cfg *config) { cfg.load, cfg.queue = 10, 100 })
		ran, last := 0, "200" // the code that /ready must have
		for line := range strings.Lines(block[1]) {
			line, comment, _ := strings.Cut(strings.TrimSpace(line), "#")
			switch line = strings.TrimSpace(line); {
			case line == "go run ./cmd/demo", strings.HasPrefix(line, "git clone "): // it runs
			case strings.HasPrefix(line, "go run ./cmd/demo fault "):
				last = d.fault(strings.Fields(line)[4:], comment)
				ran++
			case line == "curl -i localhost:8000/ready":
				d.await(last+" by curl", func() bool { code, _ := d.ready(); return strconv.Itoa(code) == last })
				ran++
			case line == "curl -s localhost:8001/metrics | grep ^health_probe_status":
				if metrics := d.text(d.admin + "/metrics"); !strings.Contains(metrics, "\nhealth_probe_status") {
					t.Errorf("%s: nothing is printed", line)
				}
				ran++
			default:
				t.Errorf("%s: no test runs %q", page, line)
			}
		}
		if ran < least {
			t.Errorf("%s: %d commands were run, want %d", page, ran, least)
		}
		d.end()
	}
}

// fault runs demo fault, and waits until /ready answers what the comment says. It returns the code.
func (d *demo) fault(args []string, comment string) (answered string) {
	d.t.Helper()
	var stdout, stderr bytes.Buffer
	args = slices.Concat([]string{"fault", "-admin-addr", strings.TrimPrefix(d.admin, "http://")}, args)
	if code := command(args, &stdout, &stderr); code != 0 {
		d.t.Fatalf("%q: %d %s", args, code, stderr.String())
	}
	want := promise.FindStringSubmatch(comment)
	if want == nil {
		d.t.Fatalf("%q: the page does not say what /ready answers: %s", args, comment)
	}
	alike := func(text string) string { return figure.ReplaceAllString(text, "0") }
	d.await(comment, func() bool {
		code, output := d.ready()
		return strconv.Itoa(code) == want[1] && (want[2] == "" || alike(output) == alike(want[2]))
	})
	return want[1]
}

func (d *demo) text(url string) string {
	d.t.Helper()
	res, err := d.client.Get(url)
	if err != nil {
		d.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		d.t.Fatalf("%s: %d, %v", url, res.StatusCode, err)
	}
	return string(text)
}

// TestPageOfFaults: demo.md has each fault once, and no other.
func TestPageOfFaults(t *testing.T) {
	text, err := os.ReadFile("../../docs/demo.md")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*) \\|").FindAllStringSubmatch(string(text), -1) {
		for _, name := range strings.Split(row[1], ", ") {
			names = append(names, strings.Trim(name, "`"))
		}
	}
	slices.Sort(names)
	if got, want := strings.Join(names, ", "), newFaults(&database{}, &cache{}, &jobs{}, &traffic{}).names(); got != want {
		t.Errorf("demo.md has %s\nand the demo has %s", got, want)
	}
}
