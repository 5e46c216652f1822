package history

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"mime"
	"net/http"
)

// errNoChunks is the error of a backend that streams no chunks, or chunks of native histograms or a newer
// encoding. The backend can still be asked for samples.
var errNoChunks = errors.New("the backend has no streamed chunks of the encoding XOR")

// maxFrame bounds one frame of a stream. Prometheus sends 1 MiB, and a single chunk more.
const maxFrame = 64 << 20

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	operators  = map[string]int64{"=": 0, "!=": 1, "=~": 2, "!~": 3}
)

// A readRequest asks for the series of several selectors, from one time to another, in ms, both included.
type readRequest struct {
	from, to  int64
	selectors [][]matcher
}

// body writes the request. A stream has chunks instead of samples.
func (r readRequest) body(stream bool) []byte {
	var b []byte
	for _, all := range r.selectors {
		q := appendInt(appendInt(nil, 1, r.from), 2, r.to)
		for _, m := range all {
			one := appendInt(nil, 1, operators[m.op])
			one = appendBytes(one, 2, []byte(m.name))
			one = appendBytes(one, 3, []byte(m.value))
			q = appendBytes(q, 3, one)
		}
		b = appendBytes(b, 1, q)
	}
	if stream {
		b = appendInt(b, 2, 1)
	}
	return snappyLiteral(b)
}

// post sends the request.
func (s *Source) post(ctx context.Context, r readRequest, stream bool) (*http.Response, string, error) {
	res, err := s.do(ctx, http.MethodPost, "/api/v1/read", r.body(stream), map[string]string{
		"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy", "X-Prometheus-Remote-Read-Version": "0.1.0",
	})
	if err != nil {
		return nil, "", err
	}
	kind, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil {
		kind = "none"
	}
	return res, kind, nil
}

// readChunks reads series whose samples stay compressed until they are needed. Each belongs to one
// of the selectors.
func (s *Source) readChunks(ctx context.Context, r readRequest) (bySelector [][]*series, err error) {
	res, kind, err := s.post(ctx, r, true)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	switch kind {
	case "application/x-streamed-protobuf":
	case "application/x-protobuf":
		return nil, errNoChunks
	default:
		return nil, s.notPrometheus(res, kind)
	}
	return parseStream(res.Body, len(r.selectors))
}

// parseStream reads frames: the size, a checksum and a message. A series may be in several frames,
// one after the other.
func parseStream(body io.Reader, selectors int) ([][]*series, error) {
	out := make([][]*series, selectors)
	in := bufio.NewReaderSize(body, 1<<16)
	var last []byte // the labels of the last series, as they came
	for {
		size, err := binary.ReadUvarint(in)
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, cut(err)
		}
		if size > maxFrame {
			return nil, errTorn
		}
		var sum [4]byte
		if _, err := io.ReadFull(in, sum[:]); err != nil {
			return nil, cut(err)
		}
		frame, err := readFrame(in, int(size))
		if err != nil {
			return nil, cut(err)
		}
		if crc32.Checksum(frame, castagnoli) != binary.BigEndian.Uint32(sum[:]) {
			return nil, errors.New("the checksum of a frame is wrong: something on the way changed it")
		}
		if last, err = parseFrame(frame, out, last); err != nil {
			return nil, err
		}
	}
}

// readFrame reads a frame. It reserves no more memory than has arrived, because the size may be wrong.
func readFrame(in io.Reader, size int) ([]byte, error) {
	if size <= 4<<20 {
		frame := make([]byte, size)
		_, err := io.ReadFull(in, frame)
		return frame, err
	}
	var b bytes.Buffer
	_, err := io.CopyN(&b, in, int64(size))
	return b.Bytes(), err
}

// cut returns the error of a stream that ends too early.
func cut(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("the answer ends in the middle: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// parseFrame adds the chunks of a frame to the series.
func parseFrame(frame []byte, out [][]*series, last []byte) ([]byte, error) {
	index := uint64(0)
	err := fields(frame, func(f field) error {
		if f.number == 2 {
			index = f.n
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if index >= uint64(len(out)) {
		return nil, errTorn
	}
	err = fields(frame, func(f field) error {
		if f.number != 1 {
			return nil
		}
		raw, data, err := parseChunks(f.data)
		if err != nil {
			return err
		}
		if all := out[index]; len(all) > 0 && bytes.Equal(raw, last) {
			c := all[len(all)-1].samples.(*chunked)
			c.rest = append(c.rest, data...)
			return nil
		}
		last = raw
		one := &series{samples: &chunked{rest: data}}
		err = fields(f.data, func(f field) error {
			if f.number != 1 {
				return nil
			}
			l, err := parseLabel(f.data)
			one.labels = append(one.labels, l)
			return err
		})
		out[index] = append(out[index], one)
		return err
	})
	return last, err
}

// parseChunks returns the labels of a series, as they came, and its chunks.
func parseChunks(message []byte) (labels []byte, chunks [][]byte, err error) {
	err = fields(message, func(f field) error {
		switch f.number {
		case 1:
			labels = append(append(labels, 0), f.data...)
		case 2:
			encoding, data := uint64(0), []byte(nil)
			err := fields(f.data, func(f field) error {
				switch f.number {
				case 3:
					encoding = f.n
				case 4:
					data = f.data
				}
				return nil
			})
			if err != nil {
				return err
			}
			if encoding != 1 {
				return errNoChunks
			}
			chunks = append(chunks, data)
		}
		return nil
	})
	return labels, chunks, err
}

// readSamples reads series with all their samples at once, so the time between from and to must be
// short.
func (s *Source) readSamples(ctx context.Context, r readRequest) ([][]*series, error) {
	res, kind, err := s.post(ctx, r, false)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if kind != "application/x-protobuf" {
		return nil, s.notPrometheus(res, kind)
	}
	packed, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, cut(err)
	}
	message, err := snappyDecode(packed)
	if err != nil {
		return nil, err
	}
	return parseSamples(message, len(r.selectors))
}

// parseSamples reads a ReadResponse.
func parseSamples(message []byte, selectors int) ([][]*series, error) {
	var out [][]*series
	err := fields(message, func(f field) error {
		if f.number != 1 {
			return nil
		}
		var all []*series
		err := fields(f.data, func(f field) error {
			if f.number != 1 {
				return nil
			}
			one, err := parseTimeSeries(f.data)
			all = append(all, one)
			return err
		})
		out = append(out, all)
		return err
	})
	if err == nil && len(out) != selectors {
		err = errTorn
	}
	return out, err
}

func parseTimeSeries(message []byte) (*series, error) {
	one, list := &series{}, &listed{}
	one.samples = list
	err := fields(message, func(f field) error {
		switch f.number {
		case 1:
			l, err := parseLabel(f.data)
			one.labels = append(one.labels, l)
			return err
		case 2:
			var s sample
			err := fields(f.data, func(f field) error {
				switch f.number {
				case 1:
					s.v = f.float()
				case 2:
					s.t = int64(f.n)
				}
				return nil
			})
			list.rest = append(list.rest, s)
			return err
		case 4:
			s, err := parseNative(f.data)
			list.rest = append(list.rest, s)
			return err
		}
		return nil
	})
	return one, err
}
