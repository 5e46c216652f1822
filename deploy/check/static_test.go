package check

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/otelhealth/otelhealth/e2e/servers"
)

const user = 65532 // the image's user

// TestStaticBinary runs the image's binary as the image does: not as root, in a file system with
// only the binary and a data directory. There is no /tmp, no /etc, no home and no environment.
func TestStaticBinary(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may change the root directory")
	}
	image := t.TempDir()
	flags := []string{"build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(image, "demo"), "./cmd/demo"}
	if dockerfile := string(readFile(t, filepath.Join(root, "Dockerfile"))); !strings.Contains(dockerfile, "CGO_ENABLED=0 GOOS=$TARGETOS") ||
		!strings.Contains(dockerfile, "go build -trimpath -ldflags='-s -w'") || !strings.Contains(dockerfile, "65532:65532 /data") {
		t.Error("the Dockerfile builds the binary in another way")
	}
	build := exec.Command("go", flags...)
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lean(t, filepath.Join(image, "demo"))
	if err := errors.Join(os.Mkdir(filepath.Join(image, "data"), 0o700), os.Chown(filepath.Join(image, "data"), user, user), os.Chmod(image, 0o755)); err != nil {
		t.Fatal(err)
	}

	var out locked
	demo := inImage(image, "-addr=127.0.0.1:0", "-admin-addr=127.0.0.1:0", "-data=/data", "-drain=0s")
	demo.Stdout, demo.Stderr = &out, &out
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- demo.Wait() }()
	defer func() { _ = demo.Process.Kill() }() // usually it has exited already
	var app string
	servers.Poll(t, "the demo is ready", func() error {
		select {
		case err := <-ended:
			t.Fatalf("%v\n%s", err, out.String())
		default:
		}
		m := regexp.MustCompile(`(?m)^service +(http://\S+)`).FindStringSubmatch(out.String())
		if m == nil {
			return errors.New(out.String())
		}
		app = m[1]
		return get(app + "/ready")
	})

	if b, err := inImage(image, "probe", app+"/ready").CombinedOutput(); err != nil {
		t.Errorf("demo probe: %v %s", err, b)
	}
	var exit *exec.ExitError
	if b, err := inImage(image, "probe", app+"/none").CombinedOutput(); !errors.As(err, &exit) || exit.ExitCode() != 1 || !bytes.Contains(b, []byte("404")) {
		t.Errorf("demo probe of an unknown path: %v %s", err, b)
	}
	// Without -data the demo needs a temporary directory, but there is none.
	if b, err := inImage(image, "-addr=127.0.0.1:0", "-admin-addr=127.0.0.1:0").CombinedOutput(); !errors.As(err, &exit) || !bytes.Contains(b, []byte("-data")) {
		t.Errorf("without -data: %v %s", err, b)
	}

	if err := demo.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
	var written []string
	err := filepath.WalkDir(image, func(path string, d fs.DirEntry, err error) error {
		if name := strings.TrimPrefix(path, image); name != "" && name != "/demo" && name != "/data" {
			written = append(written, name)
		}
		return err
	})
	if err != nil || len(written) == 0 {
		t.Errorf("the demo wrote nothing: %v", err)
	}
	for _, name := range written {
		if !strings.HasPrefix(name, "/data/") {
			t.Errorf("the demo wrote %s", name)
		}
	}
}

// inImage returns a command with the image as its root directory.
func inImage(image string, args ...string) *exec.Cmd {
	cmd := exec.Command("/demo", args...)
	cmd.Dir, cmd.Env = "/", []string{"PATH=/"} // with nil it would inherit the test's environment
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: image, Credential: &syscall.Credential{Uid: user, Gid: user}}
	return cmd
}

// lean fails if the binary needs a loader or a library.
func lean(t *testing.T, path string) {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	libraries, err := f.ImportedLibraries()
	if err != nil || len(libraries) > 0 {
		t.Errorf("the binary needs %v, %v", libraries, err)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the binary needs a loader")
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.1f MB", float64(info.Size())/1e6)
	if info.Size() > 50e6 {
		t.Errorf("the binary has %d bytes, too many", info.Size())
	}
}

func get(url string) error {
	res, err := servers.Client.Get(url)
	if err != nil {
		return err
	}
	if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s, %v", url, res.Status, err)
	}
	return nil
}

// locked is a buffer that the process writes and the test reads.
type locked struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// TestDockerfileHasEveryModule: go mod download fails without the go.mod of a module of go.work.
func TestDockerfileHasEveryModule(t *testing.T) {
	dockerfile := string(readFile(t, filepath.Join(root, "Dockerfile")))
	modules := regexp.MustCompile(`(?m)^\t\./(\S+)$`).FindAllStringSubmatch(string(readFile(t, filepath.Join(root, "go.work"))), -1)
	if len(modules) < 4 {
		t.Fatalf("go.work has the modules %v", modules)
	}
	for _, m := range modules {
		if want := fmt.Sprintf("COPY %[1]s/go.mod %[1]s/go.sum %[1]s/\n", m[1]); !strings.Contains(dockerfile, want) {
			t.Errorf("the Dockerfile lacks %q", want)
		}
	}
}
