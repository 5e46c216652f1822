// Package image writes container images of static binaries, as docker save does. No registry is
// needed: containerd and Docker import the file.
package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// Image is the content of an image, as in a Dockerfile with FROM scratch.
type Image struct {
	Tag        string
	Files      map[string]string // a path in the image → a file or a directory here
	Texts      map[string]string // a path in the image → its text
	Dirs       []Dir
	User       string
	Env        []string
	Entrypoint []string
	Cmd        []string
}

// Dir is a directory with its owner.
type Dir struct {
	Path  string
	Mode  int64
	Owner int
}

// Write writes the archive.
func (i Image) Write(path string) (err error) {
	layer, err := os.CreateTemp("", "layer-") // the digest of the layer comes before it
	if err != nil {
		return err
	}
	defer os.Remove(layer.Name())
	defer layer.Close()
	digest := sha256.New()
	if err := i.layer(io.MultiWriter(layer, digest)); err != nil {
		return err
	}
	id := hex.EncodeToString(digest.Sum(nil))
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"User": i.User, "Env": i.Env, "Entrypoint": i.Entrypoint, "Cmd": i.Cmd},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + id}},
	})
	if err != nil {
		return err
	}
	sum := sha256.Sum256(config)
	name := hex.EncodeToString(sum[:]) + ".json"
	manifest, err := json.Marshal([]any{map[string]any{"Config": name, "RepoTags": []string{i.Tag}, "Layers": []string{id + ".tar"}}})
	if err != nil {
		return err
	}
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	archive := tar.NewWriter(out)
	for _, part := range []struct {
		name string
		text []byte
	}{{name, config}, {"manifest.json", manifest}} {
		if err := add(archive, tar.Header{Name: part.name, Mode: 0o644, Size: int64(len(part.text))}, bytes.NewReader(part.text)); err != nil {
			return err
		}
	}
	size, err := layer.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if _, err := layer.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := add(archive, tar.Header{Name: id + ".tar", Mode: 0o644, Size: size}, layer); err != nil {
		return err
	}
	return archive.Close()
}

func (i Image) layer(w io.Writer) error {
	archive := tar.NewWriter(w)
	for _, d := range i.Dirs {
		if err := add(archive, tar.Header{Typeflag: tar.TypeDir, Name: name(d.Path) + "/", Mode: d.Mode, Uid: d.Owner, Gid: d.Owner}, nil); err != nil {
			return err
		}
	}
	for path, text := range i.Texts {
		if err := add(archive, tar.Header{Name: name(path), Mode: 0o755, Size: int64(len(text))}, strings.NewReader(text)); err != nil {
			return err
		}
	}
	for path, from := range i.Files {
		if err := addTree(archive, path, from); err != nil {
			return err
		}
	}
	return archive.Close()
}

// addTree adds a file, or all files and links below a directory.
func addTree(archive *tar.Writer, path, from string) error {
	return filepath.WalkDir(from, func(at string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		below, err := filepath.Rel(from, at)
		if err != nil {
			return err
		}
		to := name(filepath.Join(path, below))
		if d.Type()&fs.ModeSymlink == 0 || at == from {
			return addFile(archive, to, at)
		}
		link, err := os.Readlink(at)
		if err != nil {
			return err
		}
		return add(archive, tar.Header{Typeflag: tar.TypeSymlink, Name: to, Linkname: link}, nil)
	})
}

// Libraries returns the shared libraries and the interpreter of programs, as a map for Files.
func Libraries(programs ...string) (map[string]string, error) {
	all := map[string]string{}
	for _, p := range programs {
		out, err := exec.Command("ldd", p).CombinedOutput()
		if err != nil {
			if strings.Contains(string(out), "not a dynamic executable") {
				continue
			}
			return nil, fmt.Errorf("ldd %s: %w: %s", p, err, out)
		}
		for field := range strings.FieldsSeq(string(out)) {
			if strings.HasPrefix(field, "/") {
				all[field] = field
			}
		}
	}
	return all, nil
}

func name(path string) string { return strings.TrimPrefix(path, "/") }

func addFile(archive *tar.Writer, name, from string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return add(archive, tar.Header{Name: name, Mode: 0o755, Size: info.Size()}, f)
}

func add(archive *tar.Writer, h tar.Header, from io.Reader) error {
	if err := archive.WriteHeader(&h); err != nil || from == nil {
		return err
	}
	_, err := io.Copy(archive, from)
	return err
}
