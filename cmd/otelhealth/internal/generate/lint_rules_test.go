package generate

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/otlptranslator"
	"github.com/prometheus/prometheus/promql/parser"
)

const runbooks = root + "/docs/runbooks"

// ruleProblems returns problems of rules. The generator itself checks the queries and their
// metrics.
func ruleProblems(d dialect, groups []group, pages fs.FS) (problems []string) {
	recorded := map[string]bool{}
	for _, g := range groups {
		for _, r := range g.rules {
			recorded[r.record] = true
		}
	}
	camel := regexp.MustCompile(`^([A-Z][a-z0-9]+)+$`)
	summary := regexp.MustCompile(`^([A-Z]|\{\{ \$).*\.$`)
	subject := regexp.MustCompile(`\$labels\.(job|instance)`)
	for _, g := range groups {
		bad := func(r rule, what string) { problems = append(problems, g.name+": "+r.record+r.alert+": "+what) }
		if len(g.rules) > 20 {
			bad(rule{}, "more than 20 rules")
		}
		if !slices.ContainsFunc(g.rules, func(r rule) bool { return r.alert == "HealthRulesBlind" && strings.Contains(r.expr, "absent(") }) {
			bad(rule{}, "no canary")
		}
		for _, r := range g.rules {
			expr, err := parse(r.expr)
			if err != nil {
				bad(r, err.Error())
				continue
			}
			if _, err := d.query(r.expr); err != nil {
				bad(r, err.Error())
			}
			for _, name := range selected(expr) {
				if strings.Contains(name, ":") && !recorded[name] {
					bad(r, "nothing records "+name)
				}
			}
			if r.record != "" {
				if strings.Count(r.record, ":") < 1 || !strings.HasPrefix(r.record, "job") && !strings.HasPrefix(r.record, "all:") {
					bad(r, "is not level:metric:operations")
				}
				continue
			}
			switch {
			case !camel.MatchString(r.alert) || len(r.alert) > 40:
				bad(r, "is not CamelCase of at most 40 characters")
			case !slices.Contains([]string{"critical", "warning"}, r.severity):
				bad(r, "severity "+r.severity)
			case !summary.MatchString(r.summary):
				bad(r, "the summary has no capital or no full stop: "+r.summary)
			case !strings.Contains(r.description, "{{ $"):
				bad(r, "the description has no template")
			// A title has no room for an instance with its pod and node.
			case slices.Contains(subject.FindAllString(r.summary, -1), "$labels.instance"):
				bad(r, "the summary names the instance: "+r.summary)
			case subject.MatchString(r.description) != subject.MatchString(r.summary):
				bad(r, "the summary does not name the job: "+r.summary)
			}
			if text, err := fs.ReadFile(pages, r.alert+".md"); err != nil {
				bad(r, "no runbook")
			} else if problem := page(r.alert, string(text)); problem != "" {
				bad(r, problem)
			}
		}
	}
	names, err := fs.Glob(pages, "*")
	if err != nil {
		return append(problems, err.Error())
	}
	for _, name := range names {
		if !slices.ContainsFunc(groups, func(g group) bool {
			return slices.ContainsFunc(g.rules, func(r rule) bool { return r.alert+".md" == name })
		}) {
			problems = append(problems, name+": no alert has this name")
		}
	}
	return problems
}

// page checks a runbook: four headings in order, text under each, and in the diagnosis a command and
// the way from an instance to its pod.
func page(alert, text string) string {
	if !strings.HasPrefix(text, "# "+alert+"\n") {
		return "the runbook's title is not " + alert
	}
	parts := strings.Split(text, "\n## ")
	want := []string{"Meaning", "Impact", "Diagnosis", "Mitigation"}
	if len(parts) != len(want)+1 {
		return "the runbook does not have the headings " + strings.Join(want, ", ")
	}
	for n, heading := range want {
		body, ok := strings.CutPrefix(parts[n+1], heading+"\n")
		switch {
		case !ok:
			return "the runbook lacks " + heading
		case len(strings.TrimSpace(body)) < 40:
			return "the runbook has no text under " + heading
		case heading == "Diagnosis" && !strings.Contains(body, "```"):
			return "the diagnosis has no command"
		case heading == "Diagnosis" && alert != "HealthRulesBlind" && !strings.Contains(body, "COLLECTOR-POD: ") && // that is about no instance
			!strings.Contains(body, "custom-columns=NAMESPACE:.metadata.namespace,NAME:.metadata.name,UID:.metadata.uid"):
			return "it does not say how to find the pod of an instance"
		case strings.Contains(body, "QUIT"):
			return "SIGQUIT ends the process: ask /blackbox/now where it hangs"
		}
	}
	return ""
}

func selected(expr parser.Expr) (names []string) {
	for _, v := range vectorsOf(expr) {
		names = append(names, v.Name)
	}
	return names
}

func vectorsOf(expr parser.Expr) (list []*parser.VectorSelector) {
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		if v, ok := n.(*parser.VectorSelector); ok {
			list = append(list, v)
		}
		return nil
	})
	return list
}

func dialectsOfRules(t *testing.T) []dialect {
	s := known(t)
	native := s
	native.native = true
	return []dialect{
		{settings: usual(), names: otlptranslator.UnderscoreEscapingWithSuffixes, series: s},
		{settings: usual(), names: otlptranslator.UnderscoreEscapingWithoutSuffixes, series: s},
		{settings: usual(), names: otlptranslator.NoUTF8EscapingWithSuffixes, series: s, group: []string{"k8s.cluster.name", "namespace"}},
		{settings: usual(), names: otlptranslator.NoTranslation, series: native, native: true},
	}
}

func TestRulesLint(t *testing.T) {
	for _, d := range dialectsOfRules(t) {
		for _, problem := range ruleProblems(d, rules(d, ""), os.DirFS(runbooks)) {
			t.Error(problem)
		}
	}
}

// TestRulesLintFinds: the lint finds each of these problems.
func TestRulesLintFinds(t *testing.T) {
	d := dialectsOfRules(t)[0]
	for want, spoil := range map[string]func(*rule){
		"nothing emits":     func(r *rule) { r.expr = "health_probe_stattus == 0" },
		"no label":          func(r *rule) { r.expr = `health_probe_status{health_check_name="x"} == 0` },
		"not a counter":     func(r *rule) { r.expr = "rate(queue_length[5m]) > 1" },
		"nothing records":   func(r *rule) { r.expr = "job:health_redy:ratio == 0" },
		"parse error":       func(r *rule) { r.expr = "up ==" },
		"CamelCase":         func(r *rule) { r.alert = "Health_No_Ready" },
		"severity":          func(r *rule) { r.severity = "page" },
		"severity info":     func(r *rule) { r.severity = "info" }, // info notifies nobody
		"no capital":        func(r *rule) { r.summary = "nobody is ready" },
		"not name the job":  func(r *rule) { r.summary = "Nobody is ready." },
		"the instance":      func(r *rule) { r.summary = "{{ $value }} of {{ $labels.instance }}." },
		"no template":       func(r *rule) { r.description = "Nobody is ready." },
		"no runbook":        func(r *rule) { r.alert = "HealthNobodyKnows" },
		"no alert has":      func(r *rule) { r.alert = "HealthNobodyKnows" },
		"no canary":         func(r *rule) {},
		"more than 20":      func(r *rule) {},
		"level:metric:oper": func(r *rule) { r.record, r.alert = "ready", "" },
	} {
		groups := rules(d, "")
		n := slices.IndexFunc(groups[0].rules, func(r rule) bool { return r.alert == "HealthNoReadyInstance" })
		spoil(&groups[0].rules[n])
		switch want {
		case "no canary":
			groups[0].rules = groups[0].rules[:len(groups[0].rules)-1]
		case "more than 20":
			for range 20 {
				groups[0].rules = append(groups[0].rules, groups[0].rules[n])
			}
		}
		if found := strings.Join(ruleProblems(d, groups, os.DirFS(runbooks)), "\n"); !strings.Contains(found, want) {
			t.Errorf("%s: found %q", want, found)
		}
	}
}

// TestPages: the lint finds a missing part of a runbook.
func TestPages(t *testing.T) {
	const alert = "HttpRequestsHung"
	text, err := os.ReadFile(filepath.Join(runbooks, alert+".md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"# " + alert, "## Impact", "```", "custom-columns"} {
		if page(alert, strings.ReplaceAll(string(text), part, "")) == "" {
			t.Errorf("a runbook without %q passes", part)
		}
	}
	if page(alert, strings.Replace(string(text), "/blackbox/now", "kill -QUIT 1", 1)) == "" {
		t.Error("a runbook that ends the process passes")
	}
}

// TestRulesAreGenerated: the committed files equal the generated ones.
func TestRulesAreGenerated(t *testing.T) {
	source, err := os.ReadFile("command.go")
	if err != nil {
		t.Fatal(err)
	}
	written := t.TempDir()
	for _, line := range regexp.MustCompile(`(?m)^//go:generate go run \.\./\.\. generate (.*)$`).FindAllSubmatch(source, -1) {
		args := strings.Fields(string(line[1]))
		if n := slices.Index(args, "--out"); n >= 0 {
			args[n+1] = written
		}
		if err := run(append(args, "--only", "rules")); err != nil {
			t.Fatal(err)
		}
	}
	copies := regexp.MustCompile(`(?m)^//go:generate cp (\S+) (\S+\.txt)$`).FindAllSubmatch(source, -1)
	if len(copies) != 3 {
		t.Errorf("%d tables of instruments are copied, want 3", len(copies))
	}
	for _, c := range copies {
		from, err := os.ReadFile(string(c[1]))
		if err != nil {
			t.Fatal(err)
		}
		if to, err := os.ReadFile(string(c[2])); err != nil || !bytes.Equal(from, to) {
			t.Errorf("%s differs from %s (%v): go generate", c[2], c[1], err)
		}
	}
	files := func(dir string) map[string]string {
		all := map[string]string{}
		if err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			name, _ := filepath.Rel(dir, path)
			all[filepath.ToSlash(name)] = string(text)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return all
	}
	want, got := files(filepath.Join(written, "alerts")), files(root+"/grafana/alerts")
	if len(want) == 0 {
		t.Error("the generator wrote nothing")
	}
	for name, text := range want {
		if got[name] != text {
			t.Errorf("alerts/%s differs from the output of go generate", name)
		}
		delete(got, name)
	}
	delete(got, "faults.md") // written by hand, and tested in e2e
	for name := range got {
		t.Errorf("alerts/%s: nothing generates it", name)
	}
}

// TestPromtoolChecks runs promtool on the shipped rules and on the rules of each naming.
func TestPromtoolChecks(t *testing.T) {
	for _, args := range [][]string{nil, {"--names", "mimir"}, {"--names", "utf8", "--group-labels", "k8s.cluster.name,namespace"}, {"--names", "otel", "--histograms", "native"}, {"--group-labels", "k8s_cluster_name"}, {"--selector", `team=~"a|b"`}} {
		promtool(t, "check", "rules", "--lint=all", "--lint-fatal", generated(t, args...))
	}
}
