package blackbox

import (
	"os"
	"strings"
	"sync"
)

// messageLimit is below the kubelet's limits of a termination message: 4,096 bytes for a container, and
// 12,288 bytes for all containers of a pod together.
const messageLimit = 2048

// message is the container's termination message. The kubelet reads it when the container has ended. So
// it has a text only while liveness fails. The file is a mount, so another file can't be renamed to it.
type message struct {
	path string // empty: none

	mu       sync.Mutex
	text     string // as written last
	failures int
	lasts    bool // liveness still fails
}

// empty removes the text of an earlier process. The kubelet gives each container a new file, but another
// TerminationLog may have one.
func (m *message) empty() error {
	if m.path == "" {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return os.Truncate(m.path, 0)
}

// fail begins a failure.
func (m *message) fail(text string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failures++
	m.lasts = true
	return m.write(text)
}

// failure is the number of the last failure.
func (m *message) failure() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.failures
}

// refine writes a longer text of a failure, unless it has ended meanwhile.
func (m *message) refine(failure int, text string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.lasts || failure != m.failures {
		return nil
	}
	return m.write(text)
}

// pass ends the failure. It returns no error: if the file can't be written, fail has returned that.
func (m *message) pass() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lasts = false
	_ = m.write("")
}

// write overwrites the text in one call and then cuts the rest, so a process that is killed in between
// leaves no empty file.
func (m *message) write(text string) error {
	// kubectl describe prints from the second line on at the left margin.
	text = strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n  ")
	if len(text) > messageLimit {
		text = strings.ToValidUTF8(text[:messageLimit], "")
	}
	if m.path == "" || text == m.text {
		return nil
	}
	f, err := os.OpenFile(m.path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(text), 0)
	if cut := f.Truncate(int64(len(text))); err == nil {
		err = cut
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		m.text = text
	}
	return err
}
