package checks

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"time"
)

// Certificate passes while HOST:PORT shows a certificate for HOST that can be
// verified and stays valid for longer than left, its whole chain included. Choose
// left so that a renewal that failed can still be made by hand: cert-manager
// renews after two thirds of a certificate's life. A nil config trusts what the
// system trusts.
//
// An hour is often enough to ask; set the check's Interval.
func Certificate(config *tls.Config, address string, left time.Duration) func(context.Context) error {
	if err := hostPort(address); err != nil {
		return invalid("checks.Certificate: %w", err)
	}
	if left < 0 {
		return invalid("checks.Certificate: left: %v is negative", left)
	}
	if config != nil {
		if config.InsecureSkipVerify {
			return invalid("checks.Certificate: config.InsecureSkipVerify verifies nothing")
		}
		config = config.Clone()
		config.ClientSessionCache = nil // a session resumed shows the certificate of its first day
	}
	return func(ctx context.Context) error {
		conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		defer conn.Close()
		end := expiry(conn.(*tls.Conn).ConnectionState().VerifiedChains)
		if time.Until(end) < left {
			return fail("certificate_expires", "the certificate of %s is valid until %s, which is less than %v from now",
				address, end.UTC().Format(time.RFC3339), left)
		}
		return nil
	}
}

// expiry is when the last of the chains is broken.
func expiry(chains [][]*x509.Certificate) (last time.Time) {
	for _, chain := range chains {
		first := chain[0].NotAfter
		for _, c := range chain[1:] {
			if c.NotAfter.Before(first) {
				first = c.NotAfter
			}
		}
		if first.After(last) {
			last = first
		}
	}
	return last
}
