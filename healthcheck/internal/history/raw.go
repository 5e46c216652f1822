package history

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// errMatrix says that an answer to a query is malformed.
var errMatrix = errors.New("the answer is no matrix of samples")

// readRaw reads samples with their own times by a query such as x[6h]. A range query would return values at
// its steps, and repeat the last one for five minutes.
func (s *Source) readRaw(ctx context.Context, r readRequest) (bySelector [][]*series, err error) {
	for _, all := range r.selectors {
		// The range excludes its begin, so ask from one ms earlier. Before Prometheus 3.0 it included its begin; a
		// track drops the additional sample.
		form := url.Values{"query": {fmt.Sprintf("%s[%dms]", promQL(all), r.to-r.from+1)}, "time": {unix(time.UnixMilli(r.to))}}
		res, err := s.do(ctx, http.MethodPost, "/api/v1/query", []byte(form.Encode()), map[string]string{"Content-Type": "application/x-www-form-urlencoded"})
		if err != nil {
			return nil, err
		}
		list, err := parseMatrix(res.Body)
		if closing := res.Body.Close(); err == nil && closing != nil {
			err = closing
		}
		if err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			return nil, fmt.Errorf("/api/v1/query: %w", cut(err))
		}
		bySelector = append(bySelector, list)
	}
	return bySelector, nil
}

// parseMatrix reads the answer to a query, one series at a time.
func parseMatrix(body io.Reader) (out []*series, err error) {
	in := json.NewDecoder(body)
	if err := enter(in, "data", "result"); err != nil {
		return nil, err
	}
	if t, err := in.Token(); err != nil || t != json.Delim('[') {
		return nil, errors.Join(errMatrix, err)
	}
	for in.More() {
		var one struct {
			Metric     map[string]string
			Values     json.RawMessage
			Histograms []json.RawMessage
		}
		if err := in.Decode(&one); err != nil {
			return nil, err
		}
		list := &listed{}
		if list.rest, err = parseValues(one.Values); err != nil {
			return nil, err
		}
		for _, raw := range one.Histograms {
			h, err := parseHistogram(raw)
			if err != nil {
				return nil, err
			}
			list.rest = append(list.rest, h)
		}
		made := &series{samples: list}
		for name, value := range one.Metric {
			made.labels = append(made.labels, label{name, value})
		}
		out = append(out, made)
	}
	if _, err := in.Token(); err != nil { // the end of the list
		return nil, err
	}
	return out, nil
}

// enter goes to the value of a key, through the objects that hold it.
func enter(in *json.Decoder, path ...string) error {
	for _, key := range path {
		if t, err := in.Token(); err != nil || t != json.Delim('{') {
			return errors.Join(errMatrix, err)
		}
		for {
			if !in.More() {
				return errMatrix
			}
			t, err := in.Token()
			if err != nil {
				return err
			}
			if t == key {
				break
			}
			var skipped json.RawMessage
			if err := in.Decode(&skipped); err != nil {
				return err
			}
		}
	}
	return nil
}

// parseValues reads [[1435781430.781,"1"],…]. It does not use encoding/json, because that takes five times as
// long.
func parseValues(b []byte) (out []sample, err error) {
	if len(b) == 0 || string(b) == "null" {
		return nil, nil
	}
	c := cursor{b: b}
	c.expect('[')
	out = make([]sample, 0, len(b)/20)
	for !c.next(']') {
		if len(out) > 0 {
			c.expect(',')
		}
		c.expect('[')
		t := c.number()
		c.expect(',')
		c.expect('"')
		v := c.number()
		c.expect('"')
		c.expect(']')
		if c.bad {
			return nil, errMatrix
		}
		out = append(out, sample{t: int64(math.Round(t * 1e3)), v: v})
	}
	return out, nil
}

// cursor reads tokens of valid JSON.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) space() {
	for len(c.b) > 0 && (c.b[0] == ' ' || c.b[0] == '\n' || c.b[0] == '\t' || c.b[0] == '\r') {
		c.b = c.b[1:]
	}
}

// next reports whether a token follows, and takes it.
func (c *cursor) next(token byte) bool {
	c.space()
	if len(c.b) == 0 || c.b[0] != token {
		return false
	}
	c.b = c.b[1:]
	return true
}

func (c *cursor) expect(token byte) { c.bad = !c.next(token) || c.bad }

// number reads a number, also NaN and +Inf.
func (c *cursor) number() float64 {
	c.space()
	end := 0
	for end < len(c.b) && c.b[end] != ',' && c.b[end] != '"' && c.b[end] != ']' {
		end++
	}
	v, err := strconv.ParseFloat(string(c.b[:end]), 64)
	c.bad = c.bad || err != nil
	c.b = c.b[end:]
	return v
}

// parseHistogram reads [1435781430.781,{"count":"9","buckets":[[0,"0.5","1","9"]]}].
func parseHistogram(raw []byte) (s sample, err error) {
	var pair []json.RawMessage
	var h struct {
		Count   string
		Sum     string
		Buckets [][]any
	}
	if json.Unmarshal(raw, &pair) != nil || len(pair) != 2 || json.Unmarshal(pair[1], &h) != nil {
		return s, errMatrix
	}
	t, err1 := strconv.ParseFloat(string(pair[0]), 64)
	count, err2 := strconv.ParseFloat(h.Count, 64)
	var buckets []jsonBucket
	for _, b := range h.Buckets {
		if len(b) != 4 {
			return s, errMatrix
		}
		var v [3]float64
		for n, part := range b[1:] {
			text, is := part.(string)
			if v[n], err = strconv.ParseFloat(text, 64); !is || err != nil {
				return s, errMatrix
			}
		}
		buckets = append(buckets, jsonBucket{v[0], v[1], v[2]})
	}
	if err1 != nil || err2 != nil {
		return s, errMatrix
	}
	s.t = int64(math.Round(t * 1e3))
	s.native, err = fromBuckets(count, buckets)
	return s, err
}
