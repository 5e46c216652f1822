package checks

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"time"
)

// CertificateValid passes while HOST:PORT shows a certificate for HOST that can be verified
// with what the system trusts, and that stays valid for longer than min, its whole chain
// included. A certificate that ends sooner has the class certificate_expires, and one that
// can't be verified server_certificate_invalid.
//
// Choose min so that a renewal that failed can still be made by hand: cert-manager renews after
// two thirds of a certificate's life. An hour is often enough to ask; set the check's Interval.
func CertificateValid(address string, min time.Duration) func(context.Context) error {
	return certificateValid("checks.CertificateValid", nil, address, min)
}

// CertificateValidConfig is [CertificateValid] with a configuration of yours, such as one with
// RootCAs, a ServerName or a certificate of the client. It is copied. A session is not resumed,
// because that shows the certificate of the first handshake.
func CertificateValidConfig(config *tls.Config, address string, min time.Duration) func(context.Context) error {
	const name = "checks.CertificateValidConfig"
	switch {
	case config == nil:
		return invalid("%s: config is nil: write checks.CertificateValid(address, min)", name)
	case config.InsecureSkipVerify:
		return invalid("%s: config.InsecureSkipVerify verifies nothing", name)
	}
	config = config.Clone()
	config.ClientSessionCache = nil
	return certificateValid(name, config, address, min)
}

func certificateValid(name string, config *tls.Config, address string, min time.Duration) func(context.Context) error {
	if err := hostPort(address); err != nil {
		return invalid("%s: %w", name, err)
	}
	if min < 0 {
		return invalid("%s: min: %v is negative", name, min)
	}
	return func(ctx context.Context) error {
		conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		defer conn.Close()
		end := expiry(conn.(*tls.Conn).ConnectionState().VerifiedChains)
		if time.Until(end) < min {
			return fail("certificate_expires", "the certificate of %s is valid until %s, which is less than %v from now",
				address, end.UTC().Format(time.RFC3339), min)
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
