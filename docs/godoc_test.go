// Package docs tests the pages: their examples, their links, and the documentation of the packages.
package docs

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

var packages = []string{
	"healthcheck", "healthcheck/rule", "healthcheck/verdict", "healthcheck/cfgerrors", "healthcheck/checks", "healthcheck/grpchealth", "healthcheck/promhealth",
	"healthcheck/statuspage", "healthcheck/healthtest", "healthcheck/backtest", "healthcheck/blackbox", "telemetry", "telemetry/grpctelemetry",
}

// TestExamples: every exported function and type has documentation. Every function has an example
// with checked output. One of these examples calls each method.
func TestExamples(t *testing.T) {
	for _, name := range packages {
		t.Run(name, func(t *testing.T) {
			p, files := load(t, filepath.Join("..", filepath.FromSlash(name)))
			own, calls := examples(files)
			if p.Doc == "" {
				t.Error("the package has no documentation")
			}
			functions := p.Funcs
			for _, typ := range p.Types {
				if typ.Doc == "" {
					t.Errorf("%s has no documentation", typ.Name)
				}
				functions = append(functions, typ.Funcs...)
				for _, m := range typ.Methods {
					if m.Doc == "" && m.Name != "String" && m.Name != "ServeHTTP" {
						t.Errorf("%s.%s has no documentation", typ.Name, m.Name)
					}
					if !calls[m.Name] && !own[typ.Name+"_"+m.Name] && m.Name != "String" && m.Name != "ServeHTTP" {
						t.Errorf("no example with checked output calls %s.%s", typ.Name, m.Name)
					}
				}
			}
			for _, f := range functions {
				if f.Doc == "" {
					t.Errorf("%s has no documentation", f.Name)
				}
				if !own[f.Name] {
					t.Errorf("there is no Example%s with checked output", f.Name)
				}
			}
		})
	}
}

func load(t *testing.T, dir string) (*doc.Package, []*ast.File) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(paths) == 0 {
		t.Fatal("no files in", dir, err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, path := range paths {
		f, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	p, err := doc.NewFromFiles(fset, files, "example.test/"+filepath.Base(dir))
	if err != nil {
		t.Fatal(err)
	}
	return p, files
}

// examples returns the names of the examples with checked output, and the names of the functions
// that they call.
func examples(files []*ast.File) (names, calls map[string]bool) {
	names, calls = map[string]bool{}, map[string]bool{}
	for _, f := range files {
		if !strings.HasSuffix(f.Name.Name, "_test") {
			continue
		}
		for _, e := range doc.Examples(f) {
			if e.Output == "" {
				continue
			}
			names[e.Name] = true
			ast.Inspect(e.Code, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					calls[s.Sel.Name] = true
				}
				return true
			})
		}
	}
	return names, calls
}
