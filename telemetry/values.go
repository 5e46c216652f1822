package telemetry

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// The functions of this file say why a variable's value is invalid; nil if it is valid.

func isEndpoint(v string) error {
	u, err := url.Parse(v)
	if err == nil && u.Port() != "" {
		_, err = strconv.ParseUint(u.Port(), 10, 16)
	}
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return errors.New("is not a URL like http://localhost:4317 or https://collector:4317")
	}
	return nil
}

func isOneOf(values ...string) func(string) error {
	return func(v string) error {
		for _, ok := range values {
			if strings.EqualFold(v, ok) {
				return nil
			}
		}
		return fmt.Errorf("is not supported; use %s", strings.Join(values, ", "))
	}
}

func isMilliseconds(v string) error {
	if n, err := strconv.Atoi(v); err != nil || n <= 0 || n > 1<<31 {
		return errors.New("is not a positive whole number of milliseconds")
	}
	return nil
}

func isCount(v string) error {
	if n, err := strconv.Atoi(v); err != nil || n <= 0 || n > 1<<20 {
		return errors.New("is not a whole number from 1 to 1048576")
	}
	return nil
}

// isLimit accepts zero, and a negative number for no limit, as the SDK does.
func isLimit(v string) error {
	if _, err := strconv.Atoi(v); err != nil {
		return errors.New("is not a whole number")
	}
	return nil
}

func isBool(v string) error { return isOneOf("true", "false")(v) }

func isFile(v string) error {
	_, err := readFile(v)
	return err
}

const (
	maxCertificates = 1 << 20
	readLimit       = 5 * time.Second
)

// readFile reads a file of certificates or a key. It never hangs on a named pipe or a dead volume. Its error
// does not show the path, because some people set the content instead.
func readFile(path string) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data, err := readRegular(path)
		done <- result{data, err}
	}()
	limit := time.NewTimer(readLimit)
	defer limit.Stop()
	select {
	case r := <-done:
		if path, ok := errors.AsType[*fs.PathError](r.err); ok {
			r.err = path.Err
		}
		return r.data, r.err
	case <-limit.C:
		return nil, fmt.Errorf("could not be read within %v", readLimit)
	}
}

func readRegular(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("is not a regular file")
	case info.Size() > maxCertificates:
		return nil, fmt.Errorf("is larger than %d bytes", maxCertificates)
	}
	return os.ReadFile(path)
}

func isCertificates(v string) error {
	pem, err := readFile(v)
	if err == nil && !x509.NewCertPool().AppendCertsFromPEM(pem) {
		err = errors.New("has no certificate in PEM form")
	}
	return err
}

// isHeaders is as strict as the exporters. They skip a bad pair and log it, although it may contain a
// password.
func isHeaders(v string) error {
	for _, pair := range strings.Split(v, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		key, text, ok := strings.Cut(pair, "=")
		_, err := url.PathUnescape(text)
		if !ok || err != nil || !isToken(strings.TrimSpace(key)) {
			return errors.New("is not a list of key=value pairs, percent-encoded") // without the text
		}
	}
	return nil
}

// isToken reports whether a header may have this name, by RFC 9110.
func isToken(s string) bool {
	for _, c := range s {
		alphanumeric := '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !alphanumeric && !strings.ContainsRune("!#$%&'*+-.^_`|~", c) {
			return false
		}
	}
	return s != ""
}
