package healthcheck_test

import (
	"fmt"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// 9. Both sides of a Ratio have measurements in the overflow series: 40 of 80 known ones of /a are bad, and 20 more
// have lost their attributes. The share lies between 40 and 60 %.
func TestHostileRatioOverflow(t *testing.T) {
	of := func(name string, max float64) rule.Rule {
		a := rule.Increase("requests").Where("route", "/a")
		return rule.Rule{Name: name, Value: rule.Ratio(a.Where("code", "500"), a), Fail: rule.Above(max)}
	}
	hostile(t, nil, []sdkmetric.Option{sdkmetric.WithCardinalityLimit(4)}, []rule.Rule{of("39", .39), of("41", .41), of("59", .59), of("61", .61)}, func(s *stream) {
		requests := s.counter("requests")
		s.start()
		requests(40, "route", "/a", "code", "200")
		requests(40, "route", "/a", "code", "500")
		requests(7, "route", "/b", "code", "500")
		for i := range 20 {
			requests(1, "route", fmt.Sprint("/", i), "code", "500")
		}
		s.pass(time.Second)
		s.want("39", verdict.Fail, "")
		s.want("41", verdict.Warn, "can't tell")
		s.want("59", verdict.Warn, "can't tell")
		s.want("61", verdict.Pass, "")
	})
}

// 10. The overflow series decides about MinEvents: /a has 9 known events, all bad, and 1 event in the overflow
// series may be its tenth. Then the window has 10 events, and 9 or 10 of them are bad.
func TestHostileMinEventsOverflow(t *testing.T) {
	bad := rule.ShareAbove(time.Second, "took").Where("route", "/a")
	hostile(t, nil, []sdkmetric.Option{sdkmetric.WithCardinalityLimit(3)}, []rule.Rule{
		{Name: "bad", Value: bad, MinEvents: 10, Fail: rule.Above(.5)},
		{Name: "few", Value: bad, MinEvents: 11, Fail: rule.Above(.5)},
		{Name: "enough", Value: bad, MinEvents: 9, Fail: rule.Above(.5)},
	}, func(s *stream) {
		took := s.histogram("took", "s", 1)
		s.start()
		took(9, 3, "route", "/a")
		took(9, .1, "route", "/b")
		took(1, .1, "route", "/c")
		s.pass(time.Second)
		s.want("bad", verdict.Warn, "can't tell")
		s.want("few", verdict.Pass, "")
		s.want("enough", verdict.Fail, "")
	})
}

// 11. A stuck consumer and the overflow series: queue a has no known events, and 50 events have lost their
// attributes.
func TestHostileStuckOverflow(t *testing.T) {
	hostile(t, nil, []sdkmetric.Option{sdkmetric.WithCardinalityLimit(3)}, []rule.Rule{
		{Name: "stuck", Value: rule.Increase("done").Where("queue", "a"), Window: 10 * time.Second, Fail: rule.Below(1)},
		{Name: "per", Value: rule.Increase("done"), Per: []string{"queue"}, Window: 10 * time.Second, Fail: rule.Below(1)},
		{Name: "sum", Value: rule.Increase("done"), Window: 10 * time.Second, Fail: rule.Below(1)},
	}, func(s *stream) {
		done := s.counter("done")
		s.start()
		done(5, "queue", "a")
		done(5, "queue", "b")
		s.pass(20 * time.Second)
		s.want("stuck", verdict.Fail, "0 of at least 1")
		s.want("per", verdict.Fail, "0 of at least 1")
		for i := range 50 {
			done(1, "queue", fmt.Sprint(i))
		}
		s.pass(2 * time.Second)
		s.want("stuck", verdict.Warn, "can't tell")
		s.want("per", verdict.Warn, "can't tell")
		s.want("sum", verdict.Pass, "")
	})
}

// 12. Requests with made-up attributes fill the overflow series. /a is certainly slow, and the instance is ejected.
func TestHostileEjectionOverflow(t *testing.T) {
	for _, certain := range []bool{true, false} {
		t.Run(fmt.Sprint(certain), func(t *testing.T) {
			hostile(t, nil, []sdkmetric.Option{sdkmetric.WithCardinalityLimit(10)}, []rule.Rule{
				{Name: "slow", Value: rule.ShareAbove(time.Second, "took").Where("route", "/a"), Fail: rule.Above(.2), OnFail: healthcheck.NotReady},
			}, func(s *stream) {
				took := s.histogram("took", "s", 1)
				s.start()
				for range 180 { // a usual day
					took(20, .1, "route", "/a")
					s.pass(time.Second)
				}
				s.want("slow", verdict.Pass, "")
				strangers, ejected := 10, false
				if !certain {
					strangers = 500
				}
				for i := range 120 {
					took(15, 3, "route", "/a")
					for j := range strangers {
						took(1, .1, "route", fmt.Sprint("/", i, "/", j))
					}
					s.pass(time.Second)
					ejected = ejected || s.result("slow").State == verdict.Fail
					s.never("slow", verdict.Unknown)
				}
				if ejected != certain { // 15 of 25 are 60 %, 15 of 515 are 3 %
					s.Errorf("ejected %t, want %t", ejected, certain)
				}
			})
		})
	}
}

// 13. The reason says how many measurements overflowed, by a ratio that reads one metric twice.
func TestHostileOverflowCount(t *testing.T) {
	a := rule.Increase("requests").Where("route", "/a")
	hostile(t, nil, []sdkmetric.Option{sdkmetric.WithCardinalityLimit(3)}, []rule.Rule{
		{Name: "errors", Value: rule.Ratio(a.Where("code", "500"), a), Fail: rule.Above(.2)},
	}, func(s *stream) {
		requests := s.counter("requests")
		s.start()
		requests(40, "route", "/a", "code", "200")
		requests(7, "route", "/b", "code", "500")
		requests(20, "route", "/c", "code", "500")
		s.pass(time.Second)
		s.want("errors", verdict.Warn, "can't tell: between 0 and 33.3333 % of at most 20 %; 20 measurements went")
	})
}
