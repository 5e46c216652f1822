package checks

import (
	"context"
	"net"
	"net/netip"
	"strings"
)

// DNS passes if [net.DefaultResolver] finds an address of the host. A name with a dot at its end is
// looked up without the search domains of the pod.
//
// An address or HOST:PORT is not a host name: every run fails with invalid_argument.
func DNS(host string) func(context.Context) error {
	if host == "" {
		return invalid("checks.DNS: the host is empty")
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return invalid("checks.DNS: %s is an address, so nothing is looked up", host)
	}
	if strings.ContainsAny(host, ":/") {
		return invalid("checks.DNS: %q is not a host name", host)
	}
	return func(ctx context.Context) error {
		_, err := net.DefaultResolver.LookupHost(ctx, host) // an error too if there is no address
		return err
	}
}
