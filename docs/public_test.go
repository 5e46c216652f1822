package docs

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/doc"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write public.txt")

// budget is the maximum number of exported identifiers of the main package, with fields and
// methods. A new identifier needs two real services that use it, or every way to adopt the library
// must need it.
const budget = 60

// TestPublic: public.txt lists everything that users can depend on, so nobody changes it by
// accident. A change needs a line in the CHANGELOG. The CHANGELOG has the digest of public.txt.
func TestPublic(t *testing.T) {
	var out bytes.Buffer
	out.WriteString("All that is public, written by go test ./docs -run TestPublic -update.\n")
	for _, name := range packages {
		p, _ := load(t, filepath.Join("..", filepath.FromSlash(name)))
		ids := identifiers(t, p)
		fmt.Fprintf(&out, "\n== package %s: %d identifiers\n%s\n", name, len(ids), strings.Join(ids, "\n"))
		if name == "healthcheck" && len(ids) > budget {
			t.Errorf("healthcheck exports %d identifiers with fields and methods; the maximum is %d", len(ids), budget)
		}
	}
	section := func(title string, lines []string) {
		slices.Sort(lines)
		fmt.Fprintf(&out, "\n== %s\n%s\n", title, strings.Join(slices.Compact(lines), "\n"))
	}
	section("environment", literals(t, `^(OTEL|HEALTH)_[A-Z0-9_]+$`, "healthcheck", "healthcheck/internal/buildinfo", "telemetry"))
	section("paths and queries", literals(t, `^(/[a-z][a-z/.]*|verbose|peers|check)$`, "healthcheck", "healthcheck/internal/peers", "healthcheck/statuspage"))
	section("fields of the response", schemaFields(t))
	section("fields of the maintenance file", fields(t, "healthcheck/internal/operator"))
	section("words: states, effects, phases, roles, limits", slices.Concat(
		literals(t, `^[a-z]+([-.][a-z]+)*$`, "healthcheck/verdict", "healthcheck/internal/states"),
		literals(t, `^(works|cut_off|fails|pending|abstains)$`, "healthcheck/internal/votes"),
		literals(t, `^(max|min)\.(warn|fail)$`, "healthcheck/internal/query")))
	section("classes of errors", slices.Concat(
		literals(t, `^(_OTHER|panic|timeout|[a-z]+(_[a-z]+)+|canceled|unreachable)$`, "healthcheck/internal/guard", "healthcheck/checks", "healthcheck/blackbox"), []string{"_OTHER"}))
	section("log events and their attributes", literals(t, `^health\.[a-z_.]+$`, "healthcheck/internal/export", "healthcheck/internal/conventions", "healthcheck/blackbox"))
	for _, name := range []string{"healthcheck", "healthcheck/blackbox", "telemetry"} {
		b, err := os.ReadFile(filepath.Join("..", name, "testdata", "instruments.txt"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "\n== instruments of %s\n%s", name, b)
	}
	section("defaults and limits", constants(t, `^default|^(max|min)[A-Z]|(Limit|After|Time|Delay|Pause|Interval)$|^rest$`,
		"healthcheck", "healthcheck/internal/query", "healthcheck/internal/run", "healthcheck/internal/judge", "healthcheck/internal/memory",
		"healthcheck/internal/votes", "healthcheck/internal/peers", "healthcheck/internal/evidence", "healthcheck/internal/lifecycle", "healthcheck/internal/operator", "healthcheck/internal/answer",
		"healthcheck/internal/guard", "telemetry"))

	const golden = "public.txt"
	if *update {
		if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, out.Bytes()) {
		t.Errorf("the public names differ from %s: run go test ./docs -run TestPublic -update, and read the diff", golden)
	}
	digest := fmt.Sprintf("%x", sha256.Sum256(want))[:12]
	changes, err := os.ReadFile("../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(changes), "public.txt: "+digest) {
		t.Errorf("%s has changed: describe the change for users in CHANGELOG.md, and write there public.txt: %s", golden, digest)
	}
}

// identifiers returns the exported names of a package with their types, one in each line.
func identifiers(t *testing.T, p *doc.Package) (all []string) {
	add := func(f string, a ...any) { all = append(all, fmt.Sprintf(f, a...)) }
	values := func(kind string, values []*doc.Value) {
		for _, v := range values {
			for _, s := range v.Decl.Specs {
				for _, n := range s.(*ast.ValueSpec).Names {
					if n.IsExported() {
						add("%s %s", kind, n.Name)
					}
				}
			}
		}
	}
	funcs := func(funcs []*doc.Func) {
		for _, f := range funcs {
			d := *f.Decl
			d.Doc, d.Body = nil, nil
			add("%s", code(t, &d))
		}
	}
	values("const", p.Consts)
	values("var", p.Vars)
	funcs(p.Funcs)
	for _, typ := range p.Types {
		values("const", typ.Consts)
		values("var", typ.Vars)
		for _, s := range typ.Decl.Specs {
			spec := s.(*ast.TypeSpec)
			switch def := spec.Type.(type) {
			case *ast.StructType:
				add("type %s struct", typ.Name)
				for _, f := range def.Fields.List {
					for _, n := range f.Names {
						if n.IsExported() {
							add("field %s.%s %s", typ.Name, n.Name, code(t, f.Type))
						}
					}
					if len(f.Names) == 0 { // an embedded field
						add("field %s.%s", typ.Name, code(t, f.Type))
					}
				}
			default: // an interface too: what it embeds and its methods are the type
				add("type %s %s", typ.Name, code(t, def))
			}
		}
		funcs(typ.Funcs)
		funcs(typ.Methods)
	}
	return all
}

func code(t *testing.T, node any) string {
	var b bytes.Buffer
	if err := format.Node(&b, token.NewFileSet(), node); err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// literals returns the strings in the packages' code that match.
func literals(t *testing.T, pattern string, packages ...string) (all []string) {
	match := regexp.MustCompile(pattern)
	for _, name := range packages {
		for _, f := range sources(t, name) {
			ast.Inspect(f, func(n ast.Node) bool {
				if _, isImport := n.(*ast.ImportSpec); isImport {
					return false
				}
				if _, isTag := n.(*ast.Field); isTag {
					return false
				}
				if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					if s, err := strconv.Unquote(lit.Value); err == nil && match.MatchString(s) {
						all = append(all, s)
					}
				}
				return true
			})
		}
	}
	if len(all) == 0 {
		t.Errorf("nothing in %v matches %s", packages, pattern)
	}
	return all
}

// fields returns the JSON names that a package reads.
func fields(t *testing.T, name string) (all []string) {
	tag := regexp.MustCompile(`json:"([a-z]+)`)
	for _, f := range sources(t, name) {
		ast.Inspect(f, func(n ast.Node) bool {
			if field, ok := n.(*ast.Field); ok && field.Tag != nil {
				if m := tag.FindStringSubmatch(field.Tag.Value); m != nil {
					all = append(all, m[1])
				}
			}
			return true
		})
	}
	return all
}

// constants returns the packages' constants with matching names, and their values.
func constants(t *testing.T, pattern string, packages ...string) (all []string) {
	match := regexp.MustCompile(pattern)
	for _, name := range packages {
		for _, f := range sources(t, name) {
			for _, d := range f.Decls {
				g, ok := d.(*ast.GenDecl)
				if !ok || g.Tok != token.CONST {
					continue
				}
				for _, s := range g.Specs {
					v := s.(*ast.ValueSpec)
					for n, id := range v.Names {
						if match.MatchString(id.Name) && n < len(v.Values) {
							all = append(all, id.Name+" = "+code(t, v.Values[n]))
						}
					}
				}
			}
		}
	}
	return all
}

// sources parses the files of a package without its tests.
func sources(t *testing.T, name string) (files []*ast.File) {
	paths, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(name), "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// schemaFields returns the names in the schema of the response.
func schemaFields(t *testing.T) (all []string) {
	b, err := os.ReadFile("response.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema any
	if err := json.Unmarshal(b, &schema); err != nil {
		t.Fatal(err)
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if p, ok := v["properties"].(map[string]any); ok {
				for name := range p {
					all = append(all, name)
				}
			}
			for _, child := range v {
				walk(child)
			}
		case []any:
			for _, child := range v {
				walk(child)
			}
		}
	}
	walk(schema)
	return all
}
