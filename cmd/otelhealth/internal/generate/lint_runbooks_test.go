package generate

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

var (
	runbookQuery   = regexp.MustCompile(`(?m)^ask "(.*)"$`)
	runbookForward = regexp.MustCompile("port-forward [^\n`]*&[^\n`]*")
	runbookKubectl = regexp.MustCompile("kubectl [^\n`]*")
)

// commandProblems finds what goes wrong if somebody pastes a runbook's commands.
func commandProblems(d dialect, recorded map[string]bool, text string) (problems []string) {
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	for _, q := range runbookQuery.FindAllStringSubmatch(text, -1) {
		expr, err := parse(strings.ReplaceAll(q[1], "$JOB", "shop/orders"))
		if err != nil {
			bad("%s: %v", q[1], err)
			continue
		}
		for _, v := range vectorsOf(expr) {
			name, job := v.Name, false
			for _, m := range v.LabelMatchers {
				if m.Name == model.MetricNameLabel && m.Type == labels.MatchRegexp {
					name = "" // several; the selectors of rules have them one by one
				}
				job = job || m.Name == "job" && m.Value == "shop/orders"
				if name != "" && !recorded[name] && !d.series.has(name, m.Name) {
					bad("%s has no label %s", name, m.Name)
				}
			}
			if _, ok := d.series.kind(name); name != "" && !ok && !recorded[name] {
				bad("there is no %s", name)
			}
			if !job && !strings.HasPrefix(name, "job_check:") { // this one asks for other services too
				bad("%s: of which job?", q[1])
			}
		}
	}
	if strings.Count(text, "\nask ") != len(runbookQuery.FindAllString(text, -1)) {
		bad("a query without double quotes has no $JOB")
	}
	for _, command := range runbookKubectl.FindAllString(text, -1) {
		if !strings.HasPrefix(command, `kubectl -n "$NS" `) && !strings.HasPrefix(command, "kubectl -n monitoring ") && !strings.HasPrefix(command, "kubectl get pods -A ") {
			bad("%s: in which namespace?", command)
		}
	}
	if strings.Contains(text, "\nask ") && !strings.Contains(text, "\nask() { kubectl -n monitoring exec -i ") {
		bad("nothing says what ask is")
	}
	for _, line := range runbookForward.FindAllString(text, -1) {
		if !strings.HasSuffix(line, "& sleep 3") {
			bad("%s: the next command may come too early", line)
		}
	}
	if strings.Contains(text, "$NS") && !strings.Contains(text, "\nJOB=shop/orders NS=shop APP=orders\n") {
		bad("nothing sets $NS")
	}
	if strings.Contains(text, "curl -s ") || strings.Count(text, "shop/orders'") > 0 {
		bad("curl hides an error, or a command has the job of an example")
	}
	return problems
}

// TestRunbookCommands: each query of a runbook parses, and asks for series that exist, of the job
// of the alert. Each kubectl has a namespace.
func TestRunbookCommands(t *testing.T) {
	d := dialectsOfRules(t)[0]
	recorded := map[string]bool{}
	for _, g := range rules(d, "") {
		for _, r := range g.rules {
			recorded[r.record] = true
		}
	}
	files, err := filepath.Glob(runbooks + "/*.md")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d runbooks: %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range commandProblems(d, recorded, string(text)) {
			t.Errorf("%s: %s", filepath.Base(file), problem)
		}
	}
	for text, want := range map[string]string{
		"\nask 'queue_length{job=\"shop/orders\"}'\n":       "has no $JOB",
		"\nask \"queue_length\"\n":                          "of which job",
		"\nask \"queue_lengths{job='$JOB'}\"\n":             "there is no queue_lengths",
		"\nask \"queue_length{job='$JOB',colour='red'}\"\n": "no label colour",
		"\nask \"sum(queue_length{job='$JOB'}\"\n":          "unclosed",
		"\nask \"queue_length{job='$JOB'}\"\n":              "what ask is",
		"kubectl -n \"$NS\" port-forward POD 8000 &\n":      "too early",
		"`kubectl logs --previous POD`":                     "in which namespace",
		"`kubectl -n \"$NS\" get pods`":                     "nothing sets",
		"curl -s localhost:8000/ready\n":                    "curl hides",
	} {
		if found := strings.Join(commandProblems(d, recorded, text), "\n"); !strings.Contains(found, want) {
			t.Errorf("%q: %q; want %q", text, found, want)
		}
	}
}
