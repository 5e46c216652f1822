package healthcheck

import (
	"encoding/json"
	"math"
	"strconv"
	"time"
)

// jsonNumber is a number that may be absent; the zero value is null.
type jsonNumber struct {
	value float64
	set   bool
}

func some(v float64) jsonNumber { return jsonNumber{v, true} }

func (n jsonNumber) MarshalJSON() ([]byte, error) {
	if !n.set || !finite(n.value) {
		return []byte("null"), nil
	}
	return json.Marshal(round(n.value))
}

// round keeps six significant digits: enough to compare, short enough to read.
func round(v float64) float64 {
	if v == math.Trunc(v) {
		return v
	}
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 6, 64), 64)
	if err != nil {
		return v
	}
	return r
}

// number writes a value for people.
func number(v float64) string { return strconv.FormatFloat(round(v), 'f', -1, 64) }

func timestamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
