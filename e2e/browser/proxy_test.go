package browser

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// mode is how a proxy treats the event stream.
type mode int32

const (
	pass mode = iota
	refuse404
	refuse503
	hold  // answers, but sends no events
	stale // refuses it, too, and reports that the Monitor has stopped judging
)

// proxy stands between the browser and the demo. It adds /prefix to the demo's paths.
type proxy struct {
	url              string
	mode             atomic.Int32
	streamed, polled atomic.Int64 // streams passed through, and polls
}

func startProxy(t *testing.T, addr string) *proxy {
	p := &proxy{}
	to := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: addr})
	to.FlushInterval = -1 // flush at once
	to.ModifyResponse = func(res *http.Response) error {
		if mode(p.mode.Load()) != stale || !strings.HasSuffix(res.Request.URL.Path, "/data") {
			return nil
		}
		b, err := io.ReadAll(res.Body)
		if err != nil {
			return err
		}
		b = bytes.Replace(b, []byte(`"stale":false`), []byte(`"stale":true`), 1)
		res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
		res.Header.Set("Content-Length", strconv.Itoa(len(b)))
		return nil
	}
	s := httptest.NewServer(http.StripPrefix("/prefix", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/events") {
			if strings.HasSuffix(r.URL.Path, "/data") {
				p.polled.Add(1)
			}
			to.ServeHTTP(w, r)
			return
		}
		switch mode(p.mode.Load()) {
		case refuse404:
			http.NotFound(w, r)
		case refuse503, stale:
			http.Error(w, "too many streams", http.StatusServiceUnavailable)
		case hold:
			w.Header().Set("Content-Type", "text/event-stream")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		default:
			p.streamed.Add(1)
			to.ServeHTTP(w, r)
		}
	})))
	t.Cleanup(s.CloseClientConnections)
	p.url = s.URL
	return p
}
