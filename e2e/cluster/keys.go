package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// keys is the directory of certificates and kubeconfigs. Both nodes see it.
const keys = "/run/shared/keys"

// authority signs the certificates of one cluster. Its key is only in memory.
type authority struct {
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	serial int64
}

func newAuthority() (*authority, error) {
	if err := os.MkdirAll(keys, 0o700); err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	a := &authority{key: key, serial: 1}
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kubernetes"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, key.Public(), key)
	if err != nil {
		return nil, err
	}
	if err := writePEM("ca.crt", "CERTIFICATE", der); err != nil {
		return nil, err
	}
	return a, a.accountKey()
}

// accountKey writes the key that signs the tokens of service accounts.
func (a *authority) accountKey() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	if err := writePEM("sa.key", "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)); err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	return writePEM("sa.pub", "PUBLIC KEY", public)
}

// issue writes a certificate for servers and clients, and a kubeconfig that uses it.
func (a *authority) issue(file, user, group string, names ...string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	a.serial++
	c := &x509.Certificate{
		SerialNumber: big.NewInt(a.serial), Subject: pkix.Name{CommonName: user},
		NotBefore: a.cert.NotBefore, NotAfter: a.cert.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if group != "" {
		c.Subject.Organization = []string{group}
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, key.Public(), a.key)
	if err != nil {
		return err
	}
	if err := writePEM(file+".crt", "CERTIFICATE", der); err != nil {
		return err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	if err := writePEM(file+".key", "EC PRIVATE KEY", private); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(keys, file+".conf"), fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters: [{ name: tests, cluster: { server: "https://%s:6443", certificate-authority: %s/ca.crt } }]
users: [{ name: user, user: { client-certificate: %[2]s/%[3]s.crt, client-key: %[2]s/%[3]s.key } }]
contexts: [{ name: tests, context: { cluster: tests, user: user } }]
current-context: tests
`, first.Addr, keys, file), 0o600)
}

func writePEM(name, kind string, der []byte) error {
	return os.WriteFile(filepath.Join(keys, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

// adminTLS is the configuration of a client with all rights.
func adminTLS() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(keys+"/admin.crt", keys+"/admin.key")
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(keys + "/ca.crt")
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool}, nil
}
