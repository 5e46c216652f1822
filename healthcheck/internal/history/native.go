package history

import (
	"errors"
	"math"
	"slices"
)

// A native is a native histogram at one time. Its buckets are exponential, or custom ones with
// boundaries of their own.
type native struct {
	schema   int
	count    float64
	zero     float64 // events in the zero bucket
	width    float64 // of the zero bucket
	positive span
	negative span
	custom   []float64 // boundaries, if the buckets are custom; then positive begins at the first one

	json []jsonBucket // the buckets of an answer in JSON
}

// A span has neighbouring buckets. Exponential bucket i holds the values over 2^(i/2^schema) and at most
// 2^((i+1)/2^schema). Custom bucket i is the i-th one.
type span struct {
	first  int
	counts []float64
}

const (
	customSchema = -53
	maxBuckets   = 1 << 16 // of a span with its gaps; Prometheus' own have at most some hundred
)

var errNative = errors.New("a native histogram is malformed")

// put adds events to a bucket.
func (s *span) put(index int, n float64) error {
	if len(s.counts) == 0 {
		s.first = index
	}
	if index < s.first || index-s.first >= maxBuckets {
		return errNative
	}
	for len(s.counts) <= index-s.first {
		s.counts = append(s.counts, 0)
	}
	s.counts[index-s.first] += n
	return nil
}

// tidy drops empty buckets at the ends and the width of an empty zero bucket, so that both ways of reading
// give the same histogram.
func (h *native) tidy() {
	for _, s := range []*span{&h.positive, &h.negative} {
		for len(s.counts) > 0 && s.counts[0] == 0 {
			s.first, s.counts = s.first+1, s.counts[1:]
		}
		for n := len(s.counts); n > 0 && s.counts[n-1] == 0; n-- {
			s.counts = s.counts[:n-1]
		}
		if len(s.counts) == 0 {
			*s = span{}
		}
	}
	if h.zero == 0 {
		h.width = 0
	}
}

// parseNative reads a Histogram of remote read.
func parseNative(message []byte) (s sample, err error) {
	h := &native{}
	type run struct{ offset, length int64 }
	var spans [2][]run
	var deltas [2][]uint64
	var counts [2][]float64
	sum := 0.0
	err = fields(message, func(f field) (err error) {
		switch f.number {
		case 1:
			h.count = float64(f.n)
		case 2:
			h.count = f.float()
		case 3:
			sum = f.float()
		case 4:
			h.schema = int(f.signed())
		case 5:
			h.width = f.float()
		case 6:
			h.zero = float64(f.n)
		case 7:
			h.zero = f.float()
		case 8, 11:
			var r run
			err = fields(f.data, func(f field) error {
				if f.number == 1 {
					r.offset = f.signed()
				} else if f.number == 2 {
					r.length = int64(f.n)
				}
				return nil
			})
			side := (f.number - 8) / 3
			spans[side] = append(spans[side], r)
		case 9, 12:
			side := (f.number - 9) / 3
			deltas[side], err = f.varints(deltas[side])
		case 10, 13:
			side := (f.number - 10) / 3
			counts[side], err = f.doubles(counts[side])
		case 15:
			s.t = int64(f.n)
		case 16:
			h.custom, err = f.doubles(h.custom)
		}
		return err
	})
	if err != nil {
		return s, err
	}
	if h.schema == customSchema && h.custom == nil {
		h.custom = []float64{}
	}
	for side, to := range []*span{&h.negative, &h.positive} {
		if len(counts[side]) == 0 {
			total := int64(0)
			for _, d := range deltas[side] {
				total += zigzag(d)
				counts[side] = append(counts[side], float64(total))
			}
		}
		index, rest := int64(-1), counts[side] // Prometheus counts buckets from their upper end
		if h.custom != nil {
			index = 0
		}
		for _, r := range spans[side] {
			if r.length < 0 || r.length > int64(len(rest)) || r.offset > math.MaxInt32 || r.offset < math.MinInt32 {
				return s, errNative
			}
			index += r.offset
			for _, n := range rest[:r.length] {
				if err := to.put(int(index), n); err != nil {
					return s, err
				}
				index++
			}
			rest = rest[r.length:]
		}
	}
	h.tidy()
	s.v, s.native = sum, h // the sum of a stale marker is staleNaN
	return s, nil
}

// A jsonBucket is a bucket of a native histogram in Prometheus' JSON, with its boundaries.
type jsonBucket struct{ low, high, count float64 }

// fromBuckets finds the schema of buckets by their boundaries. If no schema fits, the buckets are custom.
func fromBuckets(count float64, all []jsonBucket) (*native, error) {
	h := &native{count: count, json: all}
	schema, known := 0, false
	for _, b := range all {
		low, high := b.low, b.high
		if b.low < 0 {
			low, high = -b.high, -b.low
		}
		if low > 0 && !math.IsInf(high, 0) {
			schema, known = int(math.Round(-math.Log2(math.Log2(high/low)))), true
			break
		}
	}
	exponential := func(b jsonBucket) bool {
		switch {
		case b.low <= 0 && b.high >= 0 && b.low == -b.high:
			h.zero, h.width = b.count, b.high
			return true
		case !known || schema < -4 || schema > 8:
			return false
		case b.low > 0:
			index, fits := indexOf(b.low, schema)
			end, also := indexOf(b.high, schema)
			return fits && (also && end == index+1 || math.IsInf(b.high, 1)) && h.positive.put(index, b.count) == nil
		case b.high < 0:
			return true // below
		}
		return false
	}
	for _, b := range all {
		if !exponential(b) {
			return fromCustom(count, all)
		}
	}
	for _, b := range slices.Backward(all) { // negative buckets, from zero on
		if b.high < 0 {
			index, fits := indexOf(-b.high, schema)
			if !fits || h.negative.put(index, b.count) != nil {
				return fromCustom(count, all)
			}
		}
	}
	if known {
		h.schema = schema
	}
	h.tidy()
	return h, nil
}

// indexOf returns the index of the bucket that begins at a boundary.
func indexOf(low float64, schema int) (int, bool) {
	exact := math.Ldexp(math.Log2(low), schema)
	index := math.Round(exact)
	return int(index), math.Abs(exact-index) < 1e-6
}

// fromCustom makes explicit buckets. JSON has only those with events; the ones between two of them
// are empty.
func fromCustom(count float64, all []jsonBucket) (*native, error) {
	h := &native{schema: customSchema, count: count, custom: []float64{}}
	for _, b := range all {
		for _, v := range []float64{b.low, b.high} {
			if math.IsNaN(v) {
				return nil, errNative
			}
			if !math.IsInf(v, 0) {
				h.custom = append(h.custom, v)
			}
		}
	}
	slices.Sort(h.custom)
	h.custom = slices.Compact(h.custom)
	for _, b := range all {
		at, _ := slices.BinarySearch(h.custom, b.high)
		if math.IsInf(b.high, 1) {
			at = len(h.custom)
		}
		for len(h.positive.counts) <= at {
			h.positive.counts = append(h.positive.counts, 0)
		}
		h.positive.counts[at] += b.count
	}
	h.tidy()
	return h, nil
}

// explicit returns the counts of custom buckets between boundaries that include its own.
func (h *native) explicit(bounds []float64, to []uint64) []uint64 {
	to = append(to[:0], make([]uint64, len(bounds)+1)...)
	for n, c := range h.positive.counts {
		at := len(bounds)
		if place := h.positive.first + n; place < len(h.custom) {
			at, _ = slices.BinarySearch(bounds, h.custom[place])
		}
		to[at] += uint64(c)
	}
	return to
}
