package backtest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"
)

// secure has the flags for authentication and TLS.
type secure struct {
	tokenFile, ca, cert, key string
	insecure                 bool
}

func (s *secure) add(set *flag.FlagSet) {
	set.StringVar(&s.tokenFile, "token-file", "", "`file` with a bearer token for the backend")
	set.StringVar(&s.ca, "ca-file", "", "`file` with certificates in PEM that sign the backend's, instead of the system's")
	set.StringVar(&s.cert, "cert-file", "", "`file` with a client certificate in PEM; -key-file has its key")
	set.StringVar(&s.key, "key-file", "", "`file` with the key of -cert-file")
	set.BoolVar(&s.insecure, "insecure", false, "accept any certificate: then anybody on the network path can read the token and change the answers")
}

// patience is how long the backend may be silent before it answers a request.
const patience = 2 * time.Minute

// client returns the client that the flags ask for.
func (s *secure) client(header http.Header) (*http.Client, error) {
	if s.tokenFile != "" {
		text, err := os.ReadFile(s.tokenFile)
		if err != nil {
			return nil, fmt.Errorf("backtest: -token-file: %w", err)
		}
		token := strings.TrimSpace(string(text))
		if token == "" || strings.ContainsAny(token, " \n") {
			return nil, fmt.Errorf("backtest: -token-file %s has no token in one line", s.tokenFile)
		}
		header.Set("Authorization", "Bearer "+token)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = patience
	if s.ca == "" && s.cert == "" && s.key == "" && !s.insecure {
		return &http.Client{Transport: transport}, nil
	}
	config := &tls.Config{InsecureSkipVerify: s.insecure}
	if s.ca != "" {
		text, err := os.ReadFile(s.ca)
		if err != nil {
			return nil, fmt.Errorf("backtest: -ca-file: %w", err)
		}
		if config.RootCAs = x509.NewCertPool(); !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("backtest: -ca-file %s has no certificate in PEM", s.ca)
		}
	}
	if (s.cert == "") != (s.key == "") {
		return nil, errors.New("backtest: give both -cert-file and -key-file, or none")
	}
	if s.cert != "" {
		pair, err := tls.LoadX509KeyPair(s.cert, s.key)
		if err != nil {
			return nil, fmt.Errorf("backtest: -cert-file: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	transport.TLSClientConfig = config
	return &http.Client{Transport: transport}, nil
}
