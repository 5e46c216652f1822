package telemetry

import (
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelhealth/otelhealth/internal/guard"
)

// method is an index into methods. The last stands for all others, as the semantic conventions ask.
type method int

var methods = [...]string{
	http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch,
	http.MethodHead, http.MethodOptions, http.MethodConnect, http.MethodTrace, "_OTHER",
}

const otherMethod, headMethod = method(len(methods) - 1), method(5)

// methodOf ignores case, as otelhttp does.
func methodOf(name string) method {
	for m, known := range methods[:otherMethod] {
		if name == known {
			return method(m)
		}
	}
	if upper := strings.ToUpper(name); upper != name {
		return methodOf(upper)
	}
	return otherMethod
}

// scheme is an index into schemes.
type scheme int

var schemes = [...]string{"http", "https"}

func schemeOf(r *http.Request) scheme {
	if r.TLS != nil {
		return 1
	}
	return 0
}

var methodAttributes, schemeAttributes = func() (m [len(methods)]attribute.KeyValue, s [len(schemes)]attribute.KeyValue) {
	for n, name := range methods {
		m[n] = semconv.HTTPRequestMethodKey.String(name)
	}
	for n, name := range schemes {
		s[n] = semconv.URLScheme(name)
	}
	return m, s
}()

// route is what does not change between the requests of one pattern.
type route struct {
	path      string // http.route; empty if there is none
	attribute []attribute.KeyValue
	names     [len(methods)]string // of spans; empty if the route is not kept
	sets      atomic.Pointer[map[seriesKey][]metric.RecordOption]
}

// seriesKey is what differs between the series of a route.
type seriesKey struct {
	method method
	scheme scheme
	status int // 0 for none
	failure
}

func newRoute(pattern string) *route {
	rt := &route{}
	if slash := strings.IndexByte(pattern, '/'); slash >= 0 { // GET example.com/items/{id}
		rt.path = pattern[slash:]
		rt.attribute = []attribute.KeyValue{semconv.HTTPRoute(rt.path)}
	}
	return rt
}

func (rt *route) name(m method) string {
	name := methods[m]
	if m == otherMethod {
		name = "HTTP"
	}
	if rt.path != "" {
		name += " " + rt.path
	}
	return name
}

// attributes returns the attributes of a series, as an option for Record.
func (rt *route) attributes(o seriesKey) []metric.RecordOption {
	var known map[seriesKey][]metric.RecordOption
	if p := rt.sets.Load(); p != nil {
		known = *p
	}
	if set, ok := known[o]; ok {
		return set
	}
	attrs := append([]attribute.KeyValue{methodAttributes[o.method], schemeAttributes[o.scheme]}, rt.attribute...)
	if o.status != 0 {
		attrs = append(attrs, semconv.HTTPResponseStatusCode(o.status))
	}
	if o.failure != complete {
		attrs = append(attrs, failureAttributes[o.failure])
	}
	set := []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(attrs...))}
	if len(known) < seriesKept {
		next := maps.Clone(known)
		if next == nil {
			next = map[seriesKey][]metric.RecordOption{}
		}
		next[o] = set
		rt.sets.Store(&next) // if two store at the same time, one set is lost and made again
	}
	return set
}

// routesKept and seriesKept limit the memory if a router sets paths as patterns, or a handler sends every
// possible status.
const routesKept, seriesKept = 1000, 100

// routes has the routes by pattern. Readers take no lock.
type routes struct {
	mu  sync.Mutex
	all atomic.Pointer[map[string]*route]
}

// of returns the route of a pattern. If there are too many already, it makes one that is not kept. A
// router may set a client's path as the pattern, so it is cut.
func (c *routes) of(pattern string) *route {
	pattern = guard.Cut(pattern)
	if rt, full := c.known(pattern); rt != nil {
		return rt
	} else if full {
		return newRoute(strings.Clone(pattern)) // it may be a part of something large
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	rt, full := c.known(pattern) // once more, because others may have been faster
	if rt != nil {
		return rt
	}
	pattern = strings.Clone(pattern)
	rt = newRoute(pattern)
	if full {
		return rt
	}
	for m := range methods {
		rt.names[m] = rt.name(method(m))
	}
	next := map[string]*route{pattern: rt}
	if known := c.all.Load(); known != nil {
		maps.Copy(next, *known)
	}
	c.all.Store(&next)
	return rt
}

func (c *routes) known(pattern string) (rt *route, full bool) {
	if known := c.all.Load(); known != nil {
		return (*known)[pattern], len(*known) >= routesKept
	}
	return nil, false
}

// spanName is otelhttp's name of a span. otelhttp asks for it before and after the handler.
func (c *routes) spanName(_ string, r *http.Request) string {
	rt, m := c.of(r.Pattern), methodOf(r.Method)
	if rt.names[m] == "" {
		return rt.name(m)
	}
	return rt.names[m]
}
