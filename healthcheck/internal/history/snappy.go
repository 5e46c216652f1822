package history

import (
	"encoding/binary"
	"errors"
)

// This file has Snappy's block format. Remote read uses it.

var errSnappy = errors.New("the answer is not compressed by Snappy, as remote read is")

// maxExpansion is about how many bytes one byte of Snappy can become: a copy element of two or three bytes gives
// up to 64. It limits the memory that an answer can make the reader reserve.
const maxExpansion = 64

// snappyLiteral wraps bytes without compressing them. Requests are small.
func snappyLiteral(p []byte) []byte {
	b := binary.AppendUvarint(nil, uint64(len(p)))
	for len(p) > 0 {
		n := min(len(p), 60)
		b = append(b, byte(n-1)<<2)
		b = append(b, p[:n]...)
		p = p[n:]
	}
	return b
}

// snappyDecode decompresses a block.
func snappyDecode(src []byte) ([]byte, error) {
	size, n := binary.Uvarint(src)
	if n <= 0 || size > uint64(len(src))*maxExpansion {
		return nil, errSnappy
	}
	src = src[n:]
	dst := make([]byte, 0, size)
	for len(src) > 0 {
		tag := src[0]
		src = src[1:]
		var length, extra int // extra bytes of the length, or of the offset
		switch tag & 3 {
		case 0:
			length = int(tag>>2) + 1
			if length > 60 {
				extra, length = length-60, 0
			}
		case 1:
			length, extra = int(tag>>2&7)+4, 1
		case 2:
			length, extra = int(tag>>2)+1, 2
		case 3:
			length, extra = int(tag>>2)+1, 4
		}
		if len(src) < extra {
			return nil, errSnappy
		}
		var number uint64
		for i := range extra {
			number |= uint64(src[i]) << (8 * i)
		}
		src = src[extra:]
		if tag&3 == 0 {
			if extra > 0 {
				length = int(min(number, uint64(len(src)))) + 1 // min, because an int has 32 bits on some machines
			}
			if length > len(src) || len(dst)+length > int(size) {
				return nil, errSnappy
			}
			dst, src = append(dst, src[:length]...), src[length:]
			continue
		}
		offset := int(min(number, uint64(len(dst))+1))
		if tag&3 == 1 {
			offset |= int(tag>>5) << 8
		}
		if offset <= 0 || offset > len(dst) || len(dst)+length > int(size) {
			return nil, errSnappy
		}
		for from := len(dst) - offset; length > 0; length-- { // byte by byte, because source and target may overlap
			dst = append(dst, dst[from])
			from++
		}
	}
	if len(dst) != int(size) {
		return nil, errSnappy
	}
	return dst, nil
}
