package checks

import (
	"context"
	"net"
)

// DNS passes while a host has an address. A nil resolver is net.DefaultResolver. A
// name with a dot at its end is looked up as it is, without the search domains of
// a pod.
func DNS(resolver *net.Resolver, host string) func(context.Context) error {
	if host == "" {
		return invalid("checks.DNS: the host is empty")
	}
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	return func(ctx context.Context) error {
		_, err := resolver.LookupHost(ctx, host) // no address is an error, too
		return err
	}
}
