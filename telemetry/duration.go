package telemetry

import (
	"net"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/httpconv"

	"github.com/otelhealth/otelhealth/internal/guard"
)

// duration records http.server.request.duration instead of otelhttp, at less cost. otelhttp makes a
// set of up to ten attributes for every request, and ownViews drop most of them again. duration looks
// up a ready set of four. The instrument has otelhttp's scope, so the output is the same.
type duration struct {
	histogram metric.Float64Histogram
	service   string
	all       bool                 // a view of the user may keep any attribute
	sizes     bool                 // a view of the user has sizes of bodies
	others    metric.MeterProvider // otelhttp's
}

// buckets are those of the semantic conventions, as in otelhttp.
var buckets = []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}

func newDuration(mp metric.MeterProvider, service string, views []sdkmetric.View) (*duration, error) {
	meter := mp.Meter(otelhttp.ScopeName, metric.WithInstrumentationVersion(otelhttp.Version))
	h, err := httpconv.NewServerRequestDuration(meter, metric.WithExplicitBucketBoundaries(buckets...))
	if err != nil {
		return nil, err
	}
	d := &duration{
		histogram: h.Inst(), service: service,
		all:    matches(views, requestDuration, h.Unit(), h.Description()),
		others: noop.NewMeterProvider(),
	}
	var request httpconv.ServerRequestBodySize
	var response httpconv.ServerResponseBodySize
	if matches(views, requestBodySize, request.Unit(), request.Description()) || matches(views, responseBodySize, response.Unit(), response.Description()) {
		d.sizes, d.others = true, sizes{mp}
	}
	return d, nil
}

// matches reports whether a view of the user is meant for an instrument of otelhttp. A general view does
// not count: it is merged with ownViews, which drop the further attributes.
func matches(views []sdkmetric.View, name, unit, description string) bool {
	for _, v := range views {
		i := sdkmetric.Instrument{
			Name: name, Unit: unit, Description: description, Kind: sdkmetric.InstrumentKindHistogram,
			Scope: instrumentation.Scope{Name: otelhttp.ScopeName, Version: otelhttp.Version},
		}
		if _, ok := guard.View(v, i); ok && !isGeneral(v, i) {
			return true
		}
	}
	return false
}

func (d *duration) record(req *request, start time.Time) {
	ctx := req.inner.Context() // with the span, for the exemplar
	if t := otelhttp.StartTimeFromContext(ctx); !t.IsZero() {
		start = t
	}
	attrs := req.t.routes.of(req.inner.Pattern).attributes(seriesKey{req.method, req.scheme, req.seen(), req.failure})
	if d.all {
		attrs = []metric.RecordOption{metric.WithAttributes(d.more(req)...), attrs[0]} // the last wins, also over a Labeler
	}
	d.histogram.Record(ctx, time.Since(start).Seconds(), attrs...)
}

// more returns the attributes that ownViews drop: those of a Labeler, and the rest of otelhttp's.
func (d *duration) more(req *request) []attribute.KeyValue {
	r := req.inner
	labeler, _ := otelhttp.LabelerFromContext(r.Context())
	host, port := hostPort(d.service)
	if port <= 0 {
		_, port = hostPort(r.Host)
	}
	attrs := append(labeler.Get(), semconv.ServerAddress(host))
	if port > 0 && port != [...]int{80, 443}[req.scheme] {
		attrs = append(attrs, semconv.ServerPort(port))
	}
	name, version, _ := strings.Cut(r.Proto, "/")
	if name != "" {
		attrs = append(attrs, semconv.NetworkProtocolName(strings.ToLower(name)))
	}
	if version != "" {
		attrs = append(attrs, semconv.NetworkProtocolVersion(version))
	}
	return attrs
}

// hostPort returns the parts of host:port. The port is 0 if there is none.
func hostPort(s string) (host string, port int) {
	host, text, err := net.SplitHostPort(s)
	if err != nil {
		return strings.Trim(s, "[]"), 0
	}
	n, _ := strconv.ParseUint(text, 10, 16)
	return host, int(n)
}

// sizes gives otelhttp the instruments for body sizes, and hides the one for the duration.
type sizes struct{ metric.MeterProvider }

func (p sizes) Meter(name string, o ...metric.MeterOption) metric.Meter {
	return sizesMeter{p.MeterProvider.Meter(name, o...)}
}

type sizesMeter struct{ metric.Meter }

func (sizesMeter) Float64Histogram(string, ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	return noop.Float64Histogram{}, nil
}
