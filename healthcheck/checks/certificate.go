package checks

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"time"
)

// CertificateValid passes if HOST:PORT has a certificate for HOST, the system trusts it, and it and its
// chain are valid for longer than min. The class of the error is certificate_expires if one of the chain
// ends sooner, and server_certificate_invalid if the certificate can't be verified.
//
// Choose min long enough to renew by hand after a failed renewal. cert-manager renews after two thirds
// of a certificate's life. An Interval of an hour is enough.
func CertificateValid(address string, min time.Duration) func(context.Context) error {
	return certificateValid("checks.CertificateValid", nil, address, min)
}

// CertificateValidConfig is [CertificateValid] with your own configuration, for example with
// RootCAs, a ServerName or a client certificate. The configuration is copied. TLS sessions are not
// resumed, because a resumed session shows the certificate of the first handshake.
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

// expiry returns when the last chain ends. A chain ends when the first of its certificates does.
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
