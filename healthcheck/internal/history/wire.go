package history

import (
	"encoding/binary"
	"errors"
	"math"
)

// errTorn is the error of an answer that ends in the middle, or is no remote read.
var errTorn = errors.New("the answer is torn: it is no remote read")

// Remote read has few messages of Protocol Buffers. They are written and read by hand, because Prometheus'
// packages for them need hundreds of modules.

func appendBytes(b []byte, field int, v []byte) []byte {
	b = binary.AppendUvarint(b, uint64(field)<<3|2)
	b = binary.AppendUvarint(b, uint64(len(v)))
	return append(b, v...)
}

func appendInt(b []byte, field int, v int64) []byte {
	b = binary.AppendUvarint(b, uint64(field)<<3)
	return binary.AppendUvarint(b, uint64(v))
}

// A field is one field of a message.
type field struct {
	number int
	n      uint64 // a varint, or 8 or 4 bytes
	data   []byte // a message, a text or packed numbers
}

// float is a double.
func (f field) float() float64 { return math.Float64frombits(f.n) }

// signed is a sint32 or sint64.
func (f field) signed() int64 { return zigzag(f.n) }

func zigzag(n uint64) int64 { return int64(n>>1) ^ -int64(n&1) }

// fields visits the fields of a message.
func fields(b []byte, visit func(field) error) error {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 || tag>>3 == 0 || tag>>3 > 1<<29 {
			return errTorn
		}
		b = b[n:]
		f := field{number: int(tag >> 3)}
		switch tag & 7 {
		case 0:
			if f.n, n = binary.Uvarint(b); n <= 0 {
				return errTorn
			}
			b = b[n:]
		case 1:
			if len(b) < 8 {
				return errTorn
			}
			f.n, b = binary.LittleEndian.Uint64(b), b[8:]
		case 2:
			size, n := binary.Uvarint(b)
			if n <= 0 || uint64(len(b)-n) < size {
				return errTorn
			}
			f.data, b = b[n:n+int(size)], b[n+int(size):]
		case 5:
			if len(b) < 4 {
				return errTorn
			}
			f.n, b = uint64(binary.LittleEndian.Uint32(b)), b[4:]
		default:
			return errTorn
		}
		if err := visit(f); err != nil {
			return err
		}
	}
	return nil
}

// varints appends a repeated number: packed, or one of several fields.
func (f field) varints(to []uint64) ([]uint64, error) {
	if f.data == nil {
		return append(to, f.n), nil
	}
	for b := f.data; len(b) > 0; {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return to, errTorn
		}
		to, b = append(to, v), b[n:]
	}
	return to, nil
}

// doubles appends a repeated double.
func (f field) doubles(to []float64) ([]float64, error) {
	if f.data == nil {
		return append(to, f.float()), nil
	}
	if len(f.data)%8 != 0 {
		return to, errTorn
	}
	for b := f.data; len(b) > 0; b = b[8:] {
		to = append(to, math.Float64frombits(binary.LittleEndian.Uint64(b)))
	}
	return to, nil
}

// A label is a name and a value.
type label struct{ name, value string }

func parseLabel(b []byte) (l label, err error) {
	err = fields(b, func(f field) error {
		switch f.number {
		case 1:
			l.name = string(f.data)
		case 2:
			l.value = string(f.data)
		}
		return nil
	})
	return l, err
}
