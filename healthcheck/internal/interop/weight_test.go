package interop

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const onePing = `package main

import (
	"context"
	"log"
	"net/http"

	"github.com/otelhealth/otelhealth/healthcheck"
)

func ping(context.Context) error { return nil }

func main() {
	health := healthcheck.New(healthcheck.Config{Checks: []healthcheck.Check{{Name: "database", Func: ping}}})
	if err := health.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("localhost:8000", health.Wrap(http.NewServeMux())))
}
`

// TestWeight measures the modules and the size of the binary of a service with its first check.
func TestWeight(t *testing.T) {
	const most, megabytes = 30, 7.8
	p := newProgram(t, onePing)
	modules := strings.Split(strings.TrimSpace(p.run("go", "list", "-m", "all")), "\n")
	t.Logf("%d modules", len(modules))
	if len(modules) > most {
		t.Errorf("%d modules, want at most %d:\n%s", len(modules), most, strings.Join(modules, "\n"))
	}
	unwanted := regexp.MustCompile(`^(google\.golang\.org/grpc|go\.opentelemetry\.io/otel/(sdk/)?log|go\.opentelemetry\.io/otel/exporters/.*|.*(sqlite|pgx|redis|client_golang).*) `)
	for _, m := range modules {
		if unwanted.MatchString(m + " ") {
			t.Errorf("it gets %s", m)
		}
	}

	p.run("go", "build", "-trimpath", "-ldflags=-s -w", "-o", "ping", ".")
	info, err := os.Stat(filepath.Join(p.dir, "ping"))
	if err != nil {
		t.Fatal(err)
	}
	size := float64(info.Size()) / 1e6
	t.Logf("%.2f MB", size)
	if size > megabytes {
		t.Errorf("the binary has %.2f MB, want at most %.1f MB", size, megabytes)
	}
}

// TestOlderOpenTelemetry builds a service with exporters of OpenTelemetry 1.42. Its module otel/log
// is not stable. A newer one, required by another module, breaks the exporter.
func TestOlderOpenTelemetry(t *testing.T) {
	main := strings.NewReplacer("import (", `import (
	"go.opentelemetry.io/contrib/exporters/autoexport"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
`, "health.Start(context.Background())", `health.StartWith(context.Background(), pipeline(health))`).Replace(onePing) + `
func pipeline(health *healthcheck.Monitor) healthcheck.Pipeline {
	reader, err := autoexport.NewMetricReader(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	return healthcheck.Pipeline{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithView(health.View()))}
}
`
	p := newProgram(t, main, "go.opentelemetry.io/contrib/exporters/autoexport@v0.67.0")
	if got := strings.TrimSpace(p.run("go", "list", "-m", "go.opentelemetry.io/otel")); got != "go.opentelemetry.io/otel v1.42.0" {
		t.Errorf("it gets %s, want v1.42.0 as autoexport requires", got)
	}
	p.run("go", "build", "-o", "service", ".")
}

// program is a service outside of this repository.
type program struct {
	t   *testing.T
	dir string
}

// newProgram makes its module as users do, with a replace directive for this clone.
func newProgram(t *testing.T, main string, requires ...string) program {
	t.Helper()
	clone, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	p := program{t, t.TempDir()}
	if err := os.WriteFile(filepath.Join(p.dir, "main.go"), []byte(main), 0o600); err != nil {
		t.Fatal(err)
	}
	p.run("go", "mod", "init", "example.com/service")
	p.run("go", "mod", "edit", "-replace", "github.com/otelhealth/otelhealth/healthcheck="+clone)
	for _, r := range requires {
		p.run("go", "mod", "edit", "-require", r)
	}
	p.run("go", "mod", "tidy")
	return p
}

// run runs a command that must succeed. The platform is fixed, because sizes differ between them.
func (p program) run(name string, args ...string) string {
	p.t.Helper()
	cmd := exec.CommandContext(context.Background(), name, args...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		p.t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, errs.String())
	}
	return string(out)
}
