package answer

import (
	"encoding/json"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/internal/text"
)

// jsonNumber is a number that may be absent; the zero value is null.
type jsonNumber struct {
	value float64
	set   bool
}

func some(v float64) jsonNumber { return jsonNumber{v, true} }

func (n jsonNumber) MarshalJSON() ([]byte, error) {
	if !n.set || !query.Finite(n.value) {
		return []byte("null"), nil
	}
	return json.Marshal(text.Round(n.value))
}

func timestamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
