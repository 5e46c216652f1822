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

// mode is what a proxy does with the stream of events.
type mode int32

const (
	pass mode = iota
	refuse404
	refuse503
	hold  // answers, and sends nothing
	stale // refuses it too, and says that the judge has stopped
)

// proxy stands between the browser and the demo and puts /prefix before its paths.
type proxy struct {
	url              string
	mode             atomic.Int32
	streamed, polled atomic.Int64 // streams that were let through, and questions
}

func startProxy(t *testing.T, addr string) *proxy {
	p := &proxy{}
	to := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: addr})
	to.FlushInterval = -1 // at once
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
