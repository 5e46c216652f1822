package lint

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"time"
)

// check has the fields of a healthcheck.Check or a rule.Rule in the code.
type check struct {
	name       string
	active     bool // a healthcheck.Check, not a rule
	interval   time.Duration
	timeout    time.Duration
	failures   int
	wait       time.Duration // For
	unreadable string        // name of a field that is not a constant
}

// detection is the longest time from a fault until the check fails. The worst case is a dependency
// that hangs right after a run.
func (c check) detection() time.Duration {
	if !c.active {
		return time.Second + c.wait // rules are judged every second
	}
	d, pause := c.interval+c.timeout, time.Second
	for range c.failures - 1 { // after a failure the next run comes sooner, at least half a second after the end of the last
		d += max(min(pause, c.interval), c.timeout+time.Second/2)
		pause *= 2
	}
	return d
}

// readChecks finds the composite literals of healthcheck.Check and rule.Rule in a package.
func readChecks(dir string) (checks []check, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		if m, _ := filepath.Match("*_test.go", filepath.Base(file)); m {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			if is(lit.Type) != "" {
				checks = append(checks, fields(lit, is(lit.Type)))
			}
			if list, ok := lit.Type.(*ast.ArrayType); ok && is(list.Elt) != "" {
				for _, e := range lit.Elts {
					if c, ok := e.(*ast.CompositeLit); ok && c.Type == nil {
						checks = append(checks, fields(c, is(list.Elt)))
					}
				}
			}
			return true
		})
	}
	if len(checks) == 0 {
		return nil, fmt.Errorf("no healthcheck.Check or rule.Rule in %s", dir)
	}
	return checks, nil
}

// is returns Check or Rule for these types, or "".
func is(t ast.Expr) string {
	if s, ok := t.(*ast.SelectorExpr); ok && (s.Sel.Name == "Check" || s.Sel.Name == "Rule") {
		return s.Sel.Name
	}
	return ""
}

// fields reads a literal and fills in healthcheck's defaults.
func fields(lit *ast.CompositeLit, kind string) check {
	c := check{active: kind == "Check", interval: 5 * time.Second, timeout: 2 * time.Second, failures: 3}
	for _, e := range lit.Elts {
		kv, ok := e.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		key, ok := kv.Key.(*ast.Ident)
		if !ok {
			continue
		}
		good := true
		switch key.Name {
		case "Name":
			c.name, good = text(kv.Value)
		case "Interval":
			c.interval, good = duration(kv.Value)
		case "Timeout":
			c.timeout, good = duration(kv.Value)
		case "For":
			c.wait, good = duration(kv.Value)
		case "FailureThreshold":
			var n time.Duration
			n, good = duration(kv.Value)
			c.failures = int(n)
		}
		if !good {
			c.unreadable = key.Name
		}
	}
	c.timeout = min(c.timeout, c.interval)
	return c
}

func text(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}

var units = map[string]time.Duration{
	"Millisecond": time.Millisecond, "Second": time.Second, "Minute": time.Minute, "Hour": time.Hour,
}

// duration evaluates a constant duration: numbers, units and their product.
func duration(e ast.Expr) (time.Duration, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		n, err := strconv.ParseInt(e.Value, 0, 64)
		return time.Duration(n), err == nil
	case *ast.SelectorExpr:
		d, ok := units[e.Sel.Name]
		return d, ok
	case *ast.ParenExpr:
		return duration(e.X)
	case *ast.BinaryExpr:
		x, ok := duration(e.X)
		y, ok2 := duration(e.Y)
		return x * y, ok && ok2 && e.Op == token.MUL
	}
	return 0, false
}
