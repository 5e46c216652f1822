package history

import (
	"encoding/binary"
	"math"
)

// staleNaN is the value of a stale marker: the series has ended here.
const staleNaN uint64 = 0x7ff0000000000002

// isStale reports whether a value is a stale marker.
func isStale(v float64) bool { return math.Float64bits(v) == staleNaN }

// A chunked has the samples of a series as Prometheus stores them: chunks of about 120 samples with the
// encoding XOR.
type chunked struct {
	rest     [][]byte
	bits     bitReader
	left     int // samples of this chunk
	n        int // samples read of it
	t        int64
	delta    uint64
	v        uint64
	leading  uint8
	trailing uint8
	started  bool // leading and trailing are set
}

// next reads the next sample.
func (c *chunked) next(s *sample) (ok bool, err error) {
	for c.left == 0 {
		if len(c.rest) == 0 {
			return false, nil
		}
		data := c.rest[0]
		c.rest = c.rest[1:]
		if len(data) < 2 {
			return false, errTorn
		}
		*c = chunked{rest: c.rest, left: int(binary.BigEndian.Uint16(data)), bits: bitReader{b: data[2:]}}
	}
	switch c.n {
	case 0:
		c.t = zigzag(c.bits.uvarint())
		c.v = c.bits.take(64)
	case 1:
		c.delta = c.bits.uvarint()
		c.t += int64(c.delta)
		c.value()
	default:
		if c.bits.take(1) == 1 {
			c.delta += uint64(c.change())
		}
		c.t += int64(c.delta)
		c.value()
	}
	if c.bits.torn {
		return false, errTorn
	}
	c.n++
	c.left--
	s.t, s.v, s.native = c.t, math.Float64frombits(c.v), nil
	return true, nil
}

// change reads by how much the time between two samples differs from the last one.
func (c *chunked) change() int64 {
	size := uint(14)
	switch {
	case c.bits.take(1) == 0:
	case c.bits.take(1) == 0:
		size = 17
	case c.bits.take(1) == 0:
		size = 20
	default:
		return int64(c.bits.take(64))
	}
	d := int64(c.bits.take(size))
	if d > 1<<(size-1) {
		d -= 1 << size
	}
	return d
}

// value reads a value as its XOR with the last one.
func (c *chunked) value() {
	if c.bits.take(1) == 0 {
		return
	}
	if c.bits.take(1) == 1 {
		c.leading = uint8(c.bits.take(5))
		size := uint8(c.bits.take(6))
		if size == 0 {
			size = 64
		}
		if c.leading+size > 64 {
			c.bits.torn = true
			return
		}
		c.trailing, c.started = 64-c.leading-size, true
	}
	if !c.started {
		c.bits.torn = true
		return
	}
	c.v ^= c.bits.take(uint(64-c.leading-c.trailing)) << c.trailing
}

// A bitReader reads numbers of any size. After the end it returns zeros and sets a flag.
type bitReader struct {
	b     []byte
	held  uint64 // the next bits, at its low end
	count uint
	torn  bool
}

func (r *bitReader) take(n uint) uint64 {
	if n > 32 {
		high := r.take(n - 32)
		return high<<32 | r.take(32)
	}
	if r.count < n {
		r.fill()
		if r.count < n {
			r.torn, r.count = true, 0
			return 0
		}
	}
	r.count -= n
	return r.held >> r.count & (1<<n - 1)
}

func (r *bitReader) fill() {
	if len(r.b) >= 4 && r.count <= 32 {
		r.held = r.held<<32 | uint64(binary.BigEndian.Uint32(r.b))
		r.b, r.count = r.b[4:], r.count+32
		return
	}
	for r.count <= 56 && len(r.b) > 0 {
		r.held = r.held<<8 | uint64(r.b[0])
		r.b, r.count = r.b[1:], r.count+8
	}
}

func (r *bitReader) uvarint() (v uint64) {
	for shift := 0; shift < 64; shift += 7 {
		b := r.take(8)
		v |= b & 0x7f << shift
		if b < 0x80 {
			return v
		}
	}
	r.torn = true
	return v
}
