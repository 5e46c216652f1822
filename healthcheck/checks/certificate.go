package checks

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"time"
)

// CertificateValid passes if HOST:PORT has a certificate for HOST that the system trusts, and that
// is valid for longer than min with its whole chain. Its class is certificate_expires if one of
// them ends sooner, and server_certificate_invalid if the certificate can't be verified.
//
// Choose min long enough to renew by hand after a failed renewal: cert-manager renews after two
// thirds of a certificate's life. Once an hour is often enough; set the check's Interval.
func CertificateValid(address string, min time.Duration) func(context.Context) error {
	return certificateValid("checks.CertificateValid", nil, address, min)
}

// CertificateValidConfig is [CertificateValid] with your own configuration, for example with
// RootCAs, a ServerName or a client certificate. The configuration is copied. Sessions are not
// resumed, because a resumed session has the certificate of the first handshake.
func CertificateValidConfig(config *tls.Config, address string, min time.Duration) func(context.Context) error {
	const name = "checks.CertificateValidConfig"
	switch {
	case config == nil:
		return invalid("%s: config is nil: write checks.CertificateValid(address, min)", name)
	case config.InsecureSkipVerify:
		return invalid("%s: config.InsecureSkipVerify must be false", name)
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

// expiry is the time when the last chain ends. A chain ends with the first of its certificates.
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
