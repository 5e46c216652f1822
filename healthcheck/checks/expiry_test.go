package checks

import (
	"crypto/x509"
	"testing"
	"time"
)

// TestExpiry: a chain ends when the first of its certificates does. The chain that ends last counts, in any order.
func TestExpiry(t *testing.T) {
	now := time.Now()
	chain := func(days ...int) (c []*x509.Certificate) {
		for _, d := range days {
			c = append(c, &x509.Certificate{NotAfter: now.AddDate(0, 0, d)})
		}
		return c
	}
	for _, chains := range [][][]*x509.Certificate{
		{chain(50, 40, 90), chain(50, 5, 90)},
		{chain(50, 5, 90), chain(50, 40, 90)},
		{chain(40)},
	} {
		if got := expiry(chains); !got.Equal(now.AddDate(0, 0, 40)) {
			t.Errorf("%d chains end in %v; want 40 days", len(chains), got.Sub(now))
		}
	}
}
