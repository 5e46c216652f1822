package servers

import (
	"errors"
	"net"
	"testing"
)

// Redis starts a Redis at addr without persistence.
func Redis(t testing.TB, addr string) *Process {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	p := Start(t, Installed(t, "redis-server", "/opt/homebrew/bin"), nil,
		"--bind", host, "--port", port, "--save", "", "--appendonly", "no")
	Poll(t, "Redis answers", func() error {
		if p.Ended() {
			t.Fatalf("Redis ended: %v", p.cmd.ProcessState)
		}
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		defer conn.Close()
		if _, err := conn.Write([]byte("PING\r\n")); err != nil {
			return err
		}
		answer := make([]byte, 5)
		if n, err := conn.Read(answer); err != nil || string(answer[:n]) != "+PONG" {
			return errors.Join(err, errors.New(string(answer[:n])))
		}
		return nil
	})
	return p
}
