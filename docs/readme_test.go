package docs

import (
	"encoding/json"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestReadme: the README is short, and its code compiles.
func TestReadme(t *testing.T) {
	text := readme(t)
	if words := len(strings.Fields(text)); words > 800 {
		t.Errorf("README.md has %d words, want at most 800: move something to docs", words)
	}
	all := blocks(text, "go")
	if len(all) != 3 {
		t.Fatalf("README.md has %d Go blocks, want 3", len(all))
	}
	vet := exec.CommandContext(t.Context(), "go", "vet", program(t, strings.NewReplacer("FIRST", all[0], "SECOND", all[1], "THIRD", all[2]).Replace(`
func main() { _, _, _ = first(nil, nil, nil, nil), second(nil, nil, nil, nil), third(nil, nil, nil, nil) }

func first(ctx context.Context, db *sql.DB, jobs chan int, mux *http.ServeMux) error {
FIRST}

func second(ctx context.Context, db *sql.DB, registry *prometheus.Registry, mux *http.ServeMux) error {
SECOND}

func third(ctx context.Context, health *healthcheck.Monitor, reader sdkmetric.Reader, mux *http.ServeMux) error {
THIRD	return nil
}
`)))
	vet.Dir = ".."
	if out, err := vet.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestOperators: the listener for operators in adopt.md compiles.
func TestOperators(t *testing.T) {
	text, err := os.ReadFile("adopt.md")
	if err != nil {
		t.Fatal(err)
	}
	all := blocks(string(text), "go")
	vet := exec.CommandContext(t.Context(), "go", "vet", program(t, strings.Replace(`
func main() { operators(nil, nil, nil) }

func operators(ctx context.Context, health *healthcheck.Monitor, failed chan error) {
BLOCK}
`, "BLOCK", all[len(all)-1], 1)))
	vet.Dir = ".."
	if out, err := vet.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestReadmeBody runs the first program of the README with 84 jobs. It must answer what the README
// prints.
func TestReadmeBody(t *testing.T) {
	text := readme(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	binary := filepath.Join(t.TempDir(), "orders")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, program(t, strings.Replace(`
func main() {
	jobs := make(chan int, 100)
	for n := range 84 {
		jobs <- n
	}
	fmt.Println(serve(context.Background(), sql.OpenDB(database{}), jobs, http.NewServeMux()))
}

type database struct{}

func (database) Connect(context.Context) (driver.Conn, error) { return database{}, nil }
func (database) Driver() driver.Driver                        { return nil }
func (database) Prepare(string) (driver.Stmt, error)          { return nil, driver.ErrSkip }
func (database) Begin() (driver.Tx, error)                    { return nil, driver.ErrSkip }
func (database) Close() error                                 { return nil }

func serve(ctx context.Context, db *sql.DB, jobs chan int, mux *http.ServeMux) error {
BLOCK}
`, "BLOCK", strings.Replace(blocks(text, "go")[0], `":8000"`, strconv.Quote(addr), 1), 1)))
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	service := exec.CommandContext(t.Context(), binary)
	service.Env = append(os.Environ(), "OTEL_RESOURCE_ATTRIBUTES=service.version=1.4.2")
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = service.Process.Kill()
		_ = service.Wait()
	}()
	want := withoutTimes(t, []byte(blocks(text, "json")[0]))
	var got any
	for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(100 * time.Millisecond) { // of a busy machine
		res, err := http.Get("http://" + addr + "/ready")
		if err != nil {
			continue // it does not listen yet
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if got = withoutTimes(t, body); res.StatusCode == http.StatusServiceUnavailable && reflect.DeepEqual(got, want) {
			return
		}
	}
	t.Errorf("it answers\n%v\nand README.md has\n%v", got, want)
}

// withoutTimes is a body without what differs from run to run.
func withoutTimes(t *testing.T, body []byte) any {
	t.Helper()
	body = regexp.MustCompile(`"20\d\d-[^"]*"`).ReplaceAll(body, []byte(`"a time"`))
	body = regexp.MustCompile(`"observedValue":[^,]*,"observedUnit":"s"`).ReplaceAll(body, []byte(`"observedUnit":"s"`))
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return v
}

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// blocks returns the blocks of a language.
func blocks(text, language string) (all []string) {
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}

// program writes a program with the imports that it needs, and returns its file.
func program(t *testing.T, code string) string {
	t.Helper()
	text := "package main\n\nimport (\n"
	for _, path := range []string{"context", "database/sql", "database/sql/driver", "fmt", "net/http", "time", "github.com/prometheus/client_golang/prometheus",
		"sdkmetric go.opentelemetry.io/otel/sdk/metric", "github.com/otelhealth/otelhealth/healthcheck", "github.com/otelhealth/otelhealth/healthcheck/promhealth",
		"github.com/otelhealth/otelhealth/healthcheck/rule", "github.com/otelhealth/otelhealth/healthcheck/statuspage", "github.com/otelhealth/otelhealth/telemetry"} {
		name, path, named := cutName(path)
		if strings.Contains(code, name+".") {
			text += "\t" + named + strconv.Quote(path) + "\n"
		}
	}
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(text+")\n"+code), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// cutName returns the name of an import, its path, and the name as written before the path.
func cutName(line string) (name, path, written string) {
	if name, path, is := strings.Cut(line, " "); is {
		return name, path, name + " "
	}
	return line[strings.LastIndex(line, "/")+1:], line, ""
}

var link = regexp.MustCompile(`\]\(([^)#:]*)(#[^)]*)?\)`)

// TestLinks: every link to a file works, and every link to a heading of one.
func TestLinks(t *testing.T) {
	pages := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".md" {
			return err
		}
		pages++
		text, err := os.ReadFile(path)
		for _, l := range link.FindAllSubmatch(text, -1) {
			target := filepath.Join(filepath.Dir(path), string(l[1]))
			if len(l[1]) == 0 {
				target = path
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %v", path, err)
			} else if len(l[2]) > 0 && filepath.Ext(target) == ".md" && !headings(t, target)[string(l[2][1:])] {
				t.Errorf("%s: %s has no heading %s", path, l[1], l[2])
			}
		}
		return err
	})
	if err != nil || pages < 30 {
		t.Errorf("%d pages: %v", pages, err)
	}
}

// headings returns the anchors of a page's headings, as GitHub makes them.
func headings(t *testing.T, page string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(string(text), -1) {
		anchor := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		all[strings.ReplaceAll(anchor, " ", "-")] = true
	}
	return all
}
