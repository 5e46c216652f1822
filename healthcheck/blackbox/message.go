package blackbox

import (
	"os"
	"strings"
)

// messageLimit is below what the kubelet takes of a container's termination message: 4,096 bytes, or
// 12,288 of all containers of a pod together.
const messageLimit = 2048

// message is the container's termination message. The kubelet reads it when the container has ended,
// so it holds the last text that was set. The file is a mount, so it is written in place.
type message struct {
	path string // empty: none
	text string // that was written
}

func (m *message) set(text string) error {
	// kubectl describe prints from the second line on at the left margin.
	text = strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n  ")
	if len(text) > messageLimit {
		text = strings.ToValidUTF8(text[:messageLimit], "")
	}
	if m.path == "" || text == m.text {
		return nil
	}
	f, err := os.OpenFile(m.path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		m.text = text
	}
	return err
}
