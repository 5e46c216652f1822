package telemetry

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"
)

const prefixOTLP = "OTEL_EXPORTER_OTLP_"

// signal says how one signal is exported by OTLP.
type signal struct {
	exported bool
	http     bool          // OTLP over HTTP; otherwise over gRPC
	timeout  time.Duration // of an export with all its attempts; 0 for the default
	gzip     bool
	tls      *tls.Config // nil without TLS
}

// LogValue is the protocol, for the log line at the start.
func (s signal) LogValue() slog.Value {
	switch {
	case !s.exported:
		return slog.StringValue("off")
	case s.http:
		return slog.StringValue("http/protobuf")
	}
	return slog.StringValue("grpc")
}

// checkOTLP notes the invalid variables of all signals.
func (env *environment) checkOTLP() {
	for _, of := range []string{"", "METRICS_", "TRACES_", "LOGS_"} {
		off := "the signals that use it are not exported"
		env.check(prefixOTLP+of+"ENDPOINT", off, isEndpoint)
		env.check(prefixOTLP+of+"HEADERS", off, isHeaders)
		env.check(prefixOTLP+of+"CERTIFICATE", off, isCertificates)
		env.check(prefixOTLP+of+"CLIENT_CERTIFICATE", off, isFile)
		env.check(prefixOTLP+of+"CLIENT_KEY", off, isFile)
		env.check(prefixOTLP+of+"PROTOCOL", "the nearest supported protocol applies", isOneOf("grpc", "http/protobuf"))
		env.check(prefixOTLP+of+"TIMEOUT", useDefault, isMilliseconds)
		env.check(prefixOTLP+of+"INSECURE", useDefault, isBool)
		env.check(prefixOTLP+of+"COMPRESSION", useDefault, isOneOf("gzip", "none"))
	}
	for _, name := range []string{"OTEL_METRICS_EXPORTER", "OTEL_TRACES_EXPORTER", "OTEL_LOGS_EXPORTER"} {
		env.check(name, leaveOut, func(v string) error { _, err := parseExporters(name, v); return err })
	}
}

// signal returns the settings of METRICS, TRACES or LOGS. A setting of the signal wins over the
// general one. A signal is not exported if a variable is invalid and must not be replaced by a
// default: the endpoint, a credential or a certificate.
func (env *environment) signal(of string) signal {
	both := func(name string) []string { return []string{prefixOTLP + of + "_" + name, prefixOTLP + name} }
	first := func(name string) string { // the one that the exporter uses
		for _, name := range both(name) {
			if value(name) != "" {
				return name
			}
		}
		return ""
	}
	endpoint := first("ENDPOINT")
	exporter := "OTEL_" + of + "_EXPORTER"
	otlp, _ := parseExporters(exporter, value(exporter))
	s := signal{
		exported: endpoint != "" && otlp && !env.disabled && !env.isInvalid(endpoint) && !env.isInvalid(first("HEADERS")),
		http:     strings.HasPrefix(strings.ToLower(value(first("PROTOCOL"))), "http/"), // http/json is nearest to http/protobuf
		timeout:  env.milliseconds(both("TIMEOUT")...),
		gzip:     strings.EqualFold(env.valid(both("COMPRESSION")...), "gzip"),
	}
	if !s.exported || !strings.HasPrefix(strings.ToLower(value(endpoint)), "https:") {
		return s // a certificate beside http:// has no use
	}
	files := certificates{value(first("CERTIFICATE")), value(first("CLIENT_CERTIFICATE")), value(first("CLIENT_KEY"))}
	invalid := slices.ContainsFunc([]string{first("CERTIFICATE"), first("CLIENT_CERTIFICATE"), first("CLIENT_KEY")}, env.isInvalid)
	if !invalid {
		if err := files.check(); err != nil {
			name := cmp.Or(first("CLIENT_CERTIFICATE"), first("CLIENT_KEY"))
			env.add(&invalidVariable{name, value(name), err, "the signals that use it are not exported"})
			invalid = true
		}
	}
	if invalid {
		s.exported = false
		return s
	}
	s.tls = files.config()
	return s
}

// parseExporters reads OTEL_METRICS_EXPORTER, OTEL_TRACES_EXPORTER or OTEL_LOGS_EXPORTER. If no
// name is supported, the default is OTLP.
func parseExporters(variable, v string) (otlp bool, err error) {
	supported, metrics := "otlp or none", variable == "OTEL_METRICS_EXPORTER"
	if metrics {
		supported = "otlp, prometheus or none" // /metrics is always there
	}
	var unknown []string
	none := false
	for _, name := range strings.Split(v, ",") {
		switch name = strings.ToLower(strings.TrimSpace(name)); {
		case name == "otlp":
			otlp = true
		case name == "none", name == "prometheus" && metrics:
			none = true
		case name != "":
			unknown = append(unknown, name)
		}
	}
	return otlp || !none, notSupported(unknown, supported)
}

// certificates are the files of a TLS client. The client's certificate is read at every handshake, because
// the file may have been renewed.
type certificates struct{ authorities, certificate, key string }

// check returns why the client's certificate can't be used.
func (c certificates) check() error {
	if c.certificate == "" && c.key == "" {
		return nil
	}
	if c.certificate == "" || c.key == "" {
		return errors.New("a client certificate needs both CLIENT_CERTIFICATE and CLIENT_KEY")
	}
	_, err := c.pair()
	return err
}

func (c certificates) pair() (tls.Certificate, error) {
	certificate, err := readFile(c.certificate)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := readFile(c.key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(certificate, key)
}

// config returns the configuration for TLS. The files were checked.
func (c certificates) config() *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.authorities != "" {
		if pem, err := readFile(c.authorities); err == nil {
			config.RootCAs = x509.NewCertPool()
			config.RootCAs.AppendCertsFromPEM(pem)
		}
	}
	if c.certificate != "" {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := c.pair()
			return &pair, err
		}
	}
	return config
}
