package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
)

// Places in the repository, from this module.
const (
	dashboards = "../../grafana/dashboards"
	rules      = "../../grafana/alerts/otelhealth.yaml"
	images     = "../../docs/images"
)

// source says what a picture of a dashboard was made of: the dashboard's JSON, the code of the data
// and the scenes, and the page. A picture of other sources is old.
func source(board string) (string, error) {
	files, err := filepath.Glob("page/*.js*")
	if err != nil {
		return "", err
	}
	files = append(files, "pod.go", "export.go", "world.go", "scenes.go", "main.go", filepath.Join(dashboards, board+".json"))
	slices.Sort(files)
	h := sha256.New()
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %d\n", filepath.Base(f), len(text))
		h.Write(text)
	}
	return fmt.Sprintf("%s.json and its scene, sha256:%x", board, h.Sum(nil)), nil
}

// keyword is that of the PNG's text with the source.
const keyword = "Source"

// tell puts a text into a PNG, after its first chunk.
func tell(png []byte, text string) []byte {
	const head = 8 + 25 // the signature and IHDR
	chunk := append([]byte("tEXt"+keyword+"\x00"), text...)
	out := bytes.Clone(png[:head])
	out = binary.BigEndian.AppendUint32(out, uint32(len(chunk)-4))
	out = append(out, chunk...)
	out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(chunk))
	return append(out, png[head:]...)
}

// told returns the text that a PNG has of its source.
func told(png []byte) (string, bool) {
	for rest := png[min(8, len(png)):]; len(rest) >= 12; {
		n := int(binary.BigEndian.Uint32(rest))
		if len(rest) < 12+n {
			return "", false
		}
		if text, ok := bytes.CutPrefix(rest[4:8+n], []byte("tEXt"+keyword+"\x00")); ok {
			return string(text), true
		}
		rest = rest[12+n:]
	}
	return "", false
}
