package history

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// drain reads all samples. Torn data must be an error, and never a panic or an endless loop.
func drain(t *testing.T, all [][]*series) {
	for _, list := range all {
		for _, s := range list {
			var v sample
			for n := 0; ; n++ {
				ok, err := s.samples.next(&v)
				if !ok || err != nil {
					break
				}
				if n > 1<<22 {
					t.Fatal("endless samples")
				}
			}
		}
	}
}

func FuzzStream(f *testing.F) {
	var b bytes.Buffer
	writeFrames(&b, fakeSeries{map[string]string{"__name__": "x"}, []sample{at(0, 1), at(15, 2), at(30, 2.5)}}, 0)
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:20])
	f.Fuzz(func(t *testing.T, b []byte) {
		if all, err := parseStream(bytes.NewReader(b), 1); err == nil {
			drain(t, all)
		}
	})
}

func FuzzFrame(f *testing.F) { // behind the checksum
	var b bytes.Buffer
	writeFrames(&b, fakeSeries{map[string]string{"__name__": "x"}, []sample{at(0, 1), at(15, 2), at(30, 2.5)}}, 0)
	_, n := binary.Uvarint(b.Bytes())
	f.Add(b.Bytes()[n+4:])
	f.Fuzz(func(t *testing.T, b []byte) {
		out := make([][]*series, 1)
		if _, err := parseFrame(b, out, nil); err == nil {
			drain(t, out)
		}
	})
}

func FuzzSamples(f *testing.F) {
	label := appendBytes(nil, 1, appendBytes(appendBytes(nil, 1, []byte("job")), 2, []byte("shop")))
	one := appendInt(append([]byte{1<<3 | 1}, make([]byte, 8)...), 2, 1000)
	span := appendInt(appendInt(nil, 1, 2), 2, 3)
	h := appendBytes(appendBytes(appendInt(appendInt(nil, 1, 5), 4, 6), 11, span), 12, []byte{2, 4, 1})
	f.Add(appendBytes(nil, 1, appendBytes(nil, 1, appendBytes(appendBytes(label, 2, one), 4, h))))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := parseSamples(b, 1)
		if err != nil {
			return
		}
		drain(t, all)
	})
}

func FuzzSnappy(f *testing.F) {
	f.Add(snappyLiteral([]byte("hello")), []byte("hello"))
	f.Add([]byte{10, 0, 'a', 1<<2 | 5<<2 | 1, 1}, []byte("x"))
	f.Fuzz(func(t *testing.T, packed, text []byte) {
		if out, err := snappyDecode(packed); err == nil && len(out) > len(packed)*maxExpansion {
			t.Fatalf("%d bytes became %d", len(packed), len(out))
		}
		if out, err := snappyDecode(snappyLiteral(text)); err != nil || !bytes.Equal(out, text) {
			t.Fatalf("%q became %q: %v", text, out, err)
		}
	})
}

func FuzzMatrix(f *testing.F) {
	f.Add([]byte(`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"job":"shop"},"values":[[1.5,"2"],[3,"NaN"]],"histograms":[[1,{"count":"1","sum":"2","buckets":[[0,"0.5","1","1"]]}]]}]}}`))
	f.Add([]byte(`{"data":{"result":[{"values":[[1,"+Inf"`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if all, err := parseMatrix(bytes.NewReader(b)); err == nil {
			drain(t, [][]*series{all})
		}
	})
}

// FuzzXOR decodes what Prometheus' encoding makes of any samples.
func FuzzXOR(f *testing.F) {
	f.Add(uint64(1), 200, 0)
	f.Add(uint64(2), 3, 5)
	f.Fuzz(func(t *testing.T, seed uint64, n, cut int) {
		if n < 1 || n > 500 {
			return
		}
		r := rand.New(rand.NewPCG(seed, 0))
		all := make([]sample, n)
		now := r.Int64N(1 << 42)
		for i := range all {
			now += []int64{15000, 15000, 15000 + r.Int64N(7), 1 + r.Int64N(9000), r.Int64N(1 << 18), r.Int64N(1 << 40)}[r.IntN(6)]
			v := []float64{0, 1, float64(r.IntN(1000)), r.NormFloat64(), math.Float64frombits(r.Uint64()), math.Inf(1), math.Float64frombits(staleNaN)}[r.IntN(7)]
			all[i] = sample{t: now, v: v}
		}
		data := encodeXOR(all)
		c := &chunked{rest: [][]byte{data}}
		var s sample
		for i, want := range all {
			if ok, err := c.next(&s); !ok || err != nil || s.t != want.t || math.Float64bits(s.v) != math.Float64bits(want.v) {
				t.Fatalf("sample %d is %v, %v %v; want %v", i, s, ok, err, want)
			}
		}
		if ok, err := c.next(&s); ok || err != nil {
			t.Fatalf("one sample too many: %v %v", s, err)
		}
		if cut > 0 && cut < len(data) { // a torn chunk is an error
			c, got := &chunked{rest: [][]byte{data[:len(data)-cut]}}, 0
			for {
				ok, err := c.next(&s)
				if err != nil {
					return
				}
				if !ok {
					break
				}
				got++
			}
			t.Fatalf("%d of %d samples from a chunk without its last %d bytes, and no error", got, n, cut)
		}
	})
}

func FuzzSelector(f *testing.F) {
	for _, s := range []string{`{job="shop"}`, `job=~"a|b",x!='y'`, "{\"http.route\"!~`a.*`,}", `{a="\u00e4\xff\"\n"}`, ``, `{}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, err := parseSelector(text)
		if err != nil || strings.Contains(text, "\ufffd") {
			return
		}
		again, err := parseSelector(promQL(all))
		if err != nil || !slices.Equal(all, again) {
			t.Fatalf("%q is %v, and then %v: %v", text, all, again, err)
		}
	})
}

// TestSnappyCopies decodes each kind of copy.
func TestSnappyCopies(t *testing.T) {
	for _, c := range []struct{ packed, want string }{
		{"\x05\x10hello", "hello"},
		{"\x09\x00a\x11\x01", "aaaaaaaaa"[:9]},                                  // 1 byte of offset, over itself
		{"\x06\x08abc\x0a\x03\x00", "abcabc"},                                   // 2 bytes
		{"\x06\x08abc\x0b\x03\x00\x00\x00", "abcabc"},                           // 4 bytes
		{"\x3d\xf0\x3c" + strings.Repeat("x", 61), strings.Repeat("x", 61)},     // 1 byte of length
		{"\x3d\xf4\x3c\x00" + strings.Repeat("x", 61), strings.Repeat("x", 61)}, // 2 bytes
	} {
		if got, err := snappyDecode([]byte(c.packed)); err != nil || string(got) != c.want {
			t.Errorf("%q: %q, %v; want %q", c.packed, got, err, c.want)
		}
	}
	for _, bad := range []string{"", "\x05", "\x05\x10hell", "\x05\x14hello!", "\x06\x08abc\x0a\x04\x00", "\x06\x08abc\x0a\x00\x00", "\xff\xff\xff\xff\x0f\x00a", "\x04\x08abc"} {
		if got, err := snappyDecode([]byte(bad)); err == nil {
			t.Errorf("%q became %q", bad, got)
		}
	}
}

// TestTorn: an answer that ends in the middle is an error. Otherwise a backend that restarts would look
// like a service without traffic.
func TestTorn(t *testing.T) {
	var b bytes.Buffer
	s := fakeSeries{map[string]string{"__name__": "x"}, nil}
	for n := range 300 {
		s.samples = append(s.samples, at(float64(15*n), float64(n)))
	}
	writeFrames(&b, s, 0)
	whole := b.Bytes()
	frames := []int{0}
	for at := 0; at < len(whole); {
		size, n := binary.Uvarint(whole[at:])
		at += n + 4 + int(size)
		frames = append(frames, at)
	}
	for n := range whole {
		_, err := parseStream(bytes.NewReader(whole[:n]), 1)
		if is := slices.Contains(frames, n); (err == nil) != is {
			t.Fatalf("%d of %d bytes: %v", n, len(whole), err)
		}
		changed := slices.Clone(whole)
		changed[n] ^= 0x10
		if _, err := parseStream(bytes.NewReader(changed), 1); err == nil {
			t.Fatalf("byte %d was changed, and there is no error", n)
		}
	}
}
