package engine

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/otelhealth/otelhealth/e2e/cluster/image"
)

// load imports an image under its tag.
func load(t *testing.T, i image.Image) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image.tar")
	if err := i.Write(path); err != nil {
		t.Fatal(err)
	}
	must(t, "load", "--input", path)
}

// files returns this system's programs, with their libraries, under paths in an image.
func files(t *testing.T, programs map[string]string) map[string]string {
	t.Helper()
	all, err := image.Programs(programs)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// loadBases makes the bases of the Dockerfile, because none can be pulled: this system's Go, with the
// modules and the compiled packages of the demo, and an empty directory with certificates. They have
// the tags of the originals. Without the packages each run would compile all of them for minutes.
func loadBases(t *testing.T) {
	t.Helper()
	modules := t.TempDir()
	have, err := output(root, nil, "go", "env", "GOMODCACHE")
	if err != nil {
		t.Fatal(err)
	}
	goroot, err := output(root, nil, "go", "env", "GOROOT")
	if err != nil {
		t.Fatal(err)
	}
	if err := run(root, []string{"GOMODCACHE=" + modules, "GOPROXY=file://" + have + "/cache/download", "GOSUMDB=off", "GOFLAGS=-modcacherw"},
		"go", "mod", "download"); err != nil {
		t.Fatal(err)
	}
	build := files(t, map[string]string{"/bin/sh": "sh", "/bin/mkdir": "mkdir", "/usr/bin/git": "git"})
	for _, part := range []string{"bin", "src", "pkg", "lib", "VERSION", "go.env"} {
		build["/usr/local/go/"+part] = filepath.Join(goroot, part)
	}
	if build["/cache"], err = buildCache(); err != nil {
		t.Fatal(err)
	}
	build["/modules"] = filepath.Join(modules, "cache/download")
	load(t, image.Image{
		Tag: "golang:1.26", Files: build, Dirs: []image.Dir{{Path: "/tmp", Mode: 0o1777}, {Path: "/root", Mode: 0o700}},
		Env: []string{"PATH=/usr/local/go/bin:/usr/bin:/bin", "GOTOOLCHAIN=local", "GOPROXY=file:///modules", "GOSUMDB=off", "GOCACHE=/cache"},
	})
	const certificates = "/etc/ssl/certs/ca-certificates.crt"
	static := map[string]string{}
	if _, err := os.Stat(certificates); err == nil {
		static[certificates] = certificates
	}
	load(t, image.Image{
		Tag: "gcr.io/distroless/static-debian13:nonroot", User: "65532", Files: static, Dirs: []image.Dir{{Path: "/tmp", Mode: 0o1777}},
		Texts: map[string]string{"/etc/passwd": "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n"},
		Env:   []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "SSL_CERT_FILE=" + certificates},
	})
}
