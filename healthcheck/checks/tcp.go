package checks

import (
	"context"
	"net"
)

// TCP passes if HOST:PORT accepts a connection. It closes the connection at once. This proves only
// that something listens. A hung process still accepts connections.
func TCP(address string) func(context.Context) error {
	if err := hostPort(address); err != nil {
		return invalid("checks.TCP: %w", err)
	}
	return func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

func hostPort(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if host == "" || port == "" {
		return &net.AddrError{Err: "is not HOST:PORT", Addr: address}
	}
	return nil
}
