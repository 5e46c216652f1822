package checks

import (
	"context"
	"net"
	"net/netip"
	"strings"
)

// DNS passes while a host has an address, asked of [net.DefaultResolver]. A name with a dot at
// its end is looked up as it is, without the search domains of a pod.
//
// An address needs no lookup, and neither does the port of HOST:PORT: both are an
// invalid_argument, because a check of them would pass, or fail, for ever.
func DNS(host string) func(context.Context) error {
	if host == "" {
		return invalid("checks.DNS: the host is empty")
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return invalid("checks.DNS: %s is an address, so nothing is looked up", host)
	}
	if strings.ContainsAny(host, ":/") {
		return invalid("checks.DNS: %q is no name of a host alone", host)
	}
	return func(ctx context.Context) error {
		_, err := net.DefaultResolver.LookupHost(ctx, host) // no address is an error, too
		return err
	}
}
