package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
)

// message is a line of the file exporter: OTLP as JSON, with 64-bit numbers as strings.
type message struct {
	ResourceMetrics []struct {
		Resource     struct{ Attributes []attribute }
		ScopeMetrics []struct {
			Metrics []struct {
				Name      string
				Histogram struct {
					AggregationTemporality int
					DataPoints             []point
				}
			}
		}
	}
	ResourceSpans []struct {
		ScopeSpans []struct{ Spans []span }
	}
}

type attribute struct {
	Key   string
	Value struct{ StringValue, IntValue string }
}

type point struct {
	Attributes   []attribute
	TimeUnixNano uint64 `json:",string"`
	Count        uint64 `json:",string"`
}

type span struct {
	TraceID    string
	SpanID     string
	Name       string
	Kind       int
	Start      uint64 `json:"startTimeUnixNano,string"`
	Status     struct{ Code int }
	Attributes []attribute
}

func (s span) failed() bool { return s.Status.Code == errorStatus }

const (
	cumulative = 2 // AGGREGATION_TEMPORALITY_CUMULATIVE
	serverKind = 2 // SPAN_KIND_SERVER

	errorStatus = 2 // STATUS_CODE_ERROR
)

// value returns the value of an attribute, or "".
func value(list []attribute, key string) string {
	for _, a := range list {
		if a.Key == key {
			return a.Value.StringValue + a.Value.IntValue
		}
	}
	return ""
}

// messages reads a file while the collector may still write to it.
func messages(t *testing.T, path string) (list []message) {
	t.Helper()
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) { // the first message creates it
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for dec := json.NewDecoder(f); ; {
		var m message
		switch err := dec.Decode(&m); {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF): // half a line
			return list
		case err != nil:
			t.Fatalf("%s: %v", path, err)
		}
		list = append(list, m)
	}
}

// lastPoints returns the last point of each series of a cumulative histogram. It has all counts.
func lastPoints(t *testing.T, list []message, name string) map[string]point {
	t.Helper()
	last := map[string]point{}
	for _, m := range list {
		for _, rm := range m.ResourceMetrics {
			for _, sm := range rm.ScopeMetrics {
				for _, metric := range sm.Metrics {
					if metric.Name != name {
						continue
					}
					if got := metric.Histogram.AggregationTemporality; got != cumulative {
						t.Fatalf("%s has temporality %d, not cumulative", name, got)
					}
					for _, p := range metric.Histogram.DataPoints {
						key := identity(rm.Resource.Attributes) + identity(p.Attributes)
						if p.TimeUnixNano > last[key].TimeUnixNano {
							last[key] = p
						}
					}
				}
			}
		}
	}
	return last
}

func identity(list []attribute) string {
	var parts []string
	for _, a := range list {
		parts = append(parts, fmt.Sprintf("%q=%q", a.Key, a.Value.StringValue+a.Value.IntValue))
	}
	slices.Sort(parts)
	return "{" + strings.Join(parts, ",") + "}"
}

func spans(list []message) (all []span) {
	for _, m := range list {
		for _, rs := range m.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				all = append(all, ss.Spans...)
			}
		}
	}
	return all
}
