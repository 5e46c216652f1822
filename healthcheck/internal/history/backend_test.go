package history

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"math"
	"math/bits"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A fake is a backend with a few series. It can refuse, be slow or answer wrongly. realtest has the real backend.
type fake struct {
	t      *testing.T
	series []fakeSeries
	left   bool // a range includes its begin, as before Prometheus 3.0
	before func(w http.ResponseWriter, r *http.Request) (answered bool)

	mu       sync.Mutex
	requests []string
}

type fakeSeries struct {
	labels  map[string]string
	samples []sample
}

func (f *fake) start() *Source {
	server := httptest.NewServer(f)
	f.t.Cleanup(server.Close)
	return &Source{URL: server.URL, Client: server.Client()}
}

// add adds a series: {__name__="x",job="shop"}.
func (f *fake) add(selector string, samples ...sample) {
	f.t.Helper()
	all, err := parseSelector(selector)
	if err != nil {
		f.t.Fatal(err)
	}
	s := fakeSeries{map[string]string{}, samples}
	for _, m := range all {
		s.labels[m.name] = m.value
	}
	f.series = append(f.series, s)
}

func (f *fake) asked(path string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.requests {
		if strings.HasPrefix(r, path) {
			n++
		}
	}
	return n
}

func (s fakeSeries) matches(all []matcher) bool {
	for _, m := range all {
		v := s.labels[m.name]
		is := v == m.value
		if strings.HasSuffix(m.op, "~") {
			is = regexp.MustCompile("^(?s:" + m.value + ")$").MatchString(v)
		}
		if is == strings.HasPrefix(m.op, "!") {
			return false
		}
	}
	return true
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.requests = append(f.requests, r.URL.Path)
	f.mu.Unlock()
	if f.before != nil && f.before(w, r) {
		return
	}
	switch path := r.URL.Path; {
	case path == "/api/v1/read":
		f.read(w, r)
	case path == "/api/v1/query":
		f.query(w, r)
	case path == "/api/v1/labels":
		f.values(w, r, func(s fakeSeries) []string { return slices.Collect(maps.Keys(s.labels)) })
	case strings.HasPrefix(path, "/api/v1/label/"):
		name := strings.TrimSuffix(strings.TrimPrefix(path, "/api/v1/label/"), "/values")
		f.values(w, r, func(s fakeSeries) []string {
			if s.labels[name] == "" {
				return nil
			}
			return []string{s.labels[name]}
		})
	default:
		http.NotFound(w, r)
	}
}

func (f *fake) values(w http.ResponseWriter, r *http.Request, of func(fakeSeries) []string) {
	all, err := parseSelector(r.FormValue("match[]"))
	if err != nil {
		f.t.Error(err)
	}
	set := map[string]bool{}
	for _, s := range f.series {
		if s.matches(all) {
			for _, v := range of(s) {
				set[v] = true
			}
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": slices.Sorted(maps.Keys(set))})
}

var rangeQuery = regexp.MustCompile(`^(\{.*\})\[(\d+)ms\]$`)

func (f *fake) query(w http.ResponseWriter, r *http.Request) {
	part := rangeQuery.FindStringSubmatch(r.FormValue("query"))
	all, err := parseSelector(part[1])
	at, err2 := strconv.ParseFloat(r.FormValue("time"), 64)
	if err != nil || err2 != nil {
		f.t.Error(err, err2)
	}
	width, _ := strconv.ParseInt(part[2], 10, 64)
	to := int64(math.Round(at * 1e3))
	result := []map[string]any{}
	for _, s := range f.series {
		values := [][2]any{}
		for _, v := range s.samples {
			if (v.t > to-width || f.left && v.t == to-width) && v.t <= to && !isStale(v.v) {
				values = append(values, [2]any{float64(v.t) / 1e3, strconv.FormatFloat(v.v, 'f', -1, 64)})
			}
		}
		if s.matches(all) && len(values) > 0 {
			result = append(result, map[string]any{"metric": s.labels, "values": values})
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"resultType": "matrix", "result": result}})
}

func (f *fake) read(w http.ResponseWriter, r *http.Request) {
	packed, _ := io.ReadAll(r.Body)
	body, err := snappyDecode(packed)
	if err != nil {
		f.t.Error(err)
	}
	w.Header().Set("Content-Type", "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse")
	index := int64(0)
	_ = fields(body, func(q field) error {
		if q.number != 1 {
			return nil
		}
		var all []matcher
		_ = fields(q.data, func(part field) error {
			if part.number == 3 {
				m := matcher{op: "="}
				_ = fields(part.data, func(l field) error {
					switch l.number {
					case 1:
						for op, n := range operators {
							if n == int64(l.n) {
								m.op = op
							}
						}
					case 2:
						m.name = string(l.data)
					case 3:
						m.value = string(l.data)
					}
					return nil
				})
				all = append(all, m)
			}
			return nil
		})
		for _, s := range f.series {
			if s.matches(all) {
				writeFrames(w, s, index)
			}
		}
		index++
		return nil
	})
}

// writeFrames writes a series in frames of one chunk, and chunks of 120 samples.
func writeFrames(w io.Writer, s fakeSeries, index int64) {
	var labels []byte
	for _, name := range slices.Sorted(maps.Keys(s.labels)) {
		l := appendBytes(appendBytes(nil, 1, []byte(name)), 2, []byte(s.labels[name]))
		labels = appendBytes(labels, 1, l)
	}
	for part := range slices.Chunk(s.samples, 120) {
		chunk := appendBytes(appendInt(nil, 3, 1), 4, encodeXOR(part))
		frame := appendBytes(nil, 1, appendBytes(slices.Clone(labels), 2, chunk))
		frame = appendInt(frame, 2, index)
		_, _ = w.Write(binary.AppendUvarint(nil, uint64(len(frame))))
		_, _ = w.Write(binary.BigEndian.AppendUint32(nil, crc32.Checksum(frame, castagnoli)))
		_, _ = w.Write(frame)
	}
}

// A bitWriter is for encodeXOR.
type bitWriter struct {
	b    []byte
	free uint
}

func (w *bitWriter) put(v uint64, n uint) {
	for n > 0 {
		n--
		if w.free == 0 {
			w.b, w.free = append(w.b, 0), 8
		}
		w.free--
		w.b[len(w.b)-1] |= byte(v>>n&1) << w.free
	}
}

func (w *bitWriter) bytes(p []byte) {
	for _, b := range p {
		w.put(uint64(b), 8)
	}
}

// encodeXOR is Prometheus' chunk of the encoding XOR.
func encodeXOR(all []sample) []byte {
	w := &bitWriter{b: binary.BigEndian.AppendUint16(nil, uint16(len(all)))}
	var delta uint64
	leading, trailing := 255, 0
	for n, s := range all {
		switch n {
		case 0:
			w.bytes(binary.AppendVarint(nil, s.t))
			w.put(math.Float64bits(s.v), 64)
			continue
		case 1:
			delta = uint64(s.t - all[0].t)
			w.bytes(binary.AppendUvarint(nil, delta))
		default:
			next := uint64(s.t - all[n-1].t)
			dod := int64(next - delta)
			delta = next
			within := func(n uint) bool { return -((1<<(n-1))-1) <= dod && dod <= 1<<(n-1) }
			switch {
			case dod == 0:
				w.put(0, 1)
			case within(14):
				w.put(0b10, 2)
				w.put(uint64(dod), 14)
			case within(17):
				w.put(0b110, 3)
				w.put(uint64(dod), 17)
			case within(20):
				w.put(0b1110, 4)
				w.put(uint64(dod), 20)
			default:
				w.put(0b1111, 4)
				w.put(uint64(dod), 64)
			}
		}
		x := math.Float64bits(s.v) ^ math.Float64bits(all[n-1].v)
		if x == 0 {
			w.put(0, 1)
			continue
		}
		lead, trail := min(bits.LeadingZeros64(x), 31), bits.TrailingZeros64(x)
		if leading != 255 && lead >= leading && trail >= trailing {
			w.put(0b10, 2)
			w.put(x>>trailing, uint(64-leading-trailing))
			continue
		}
		leading, trailing = lead, trail
		w.put(0b11, 2)
		w.put(uint64(lead), 5)
		w.put(uint64(64-lead-trail), 6)
		w.put(x>>trail, uint(64-lead-trail))
	}
	return w.b
}

var (
	begin = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	end   = begin.Add(time.Hour)
)

// at is a sample some seconds after begin.
func at(seconds, v float64) sample {
	return sample{t: begin.UnixMilli() + int64(math.Round(seconds*1e3)), v: v}
}

// line is a collection for a test: seconds, restarted, and the numbers of each metric.
func line(c *Collection) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(c.Metrics)) {
		for _, m := range c.Metrics[name] {
			parts = append(parts, name+"="+strings.NewReplacer("0001-01-01 00:00:00 +0000 UTC", "").Replace(numbers(m.Data)))
		}
	}
	restarted := ""
	if c.Restarted {
		restarted = " restarted"
	}
	return fmt.Sprintf("%g%s %s", c.At.Sub(begin).Seconds(), restarted, strings.Join(parts, " "))
}
