package truth

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"testing"
	"time"
)

// prometheus is a client of the real server's API.
type prometheus struct {
	t   *testing.T
	url string
}

type series struct {
	Metric map[string]string
	Value  [2]any
	Values [][2]any
}

func (p prometheus) query(promql string, at time.Time) []series {
	p.t.Helper()
	q := url.Values{"query": {promql}, "time": {strconv.FormatFloat(float64(at.UnixMilli())/1e3, 'f', 3, 64)}}
	resp, err := http.Get(p.url + "/api/v1/query?" + q.Encode())
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Error    string
		Warnings []string
		Data     struct{ Result []series }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusOK || len(answer.Warnings) > 0 {
		p.t.Fatalf("%s: %d %v %+v", promql, resp.StatusCode, err, answer)
	}
	return answer.Data.Result
}

// times are the times of all samples, in order.
func (p prometheus) times(selectors ...string) (all []time.Time) {
	for _, selector := range selectors {
		for _, s := range p.query(selector, time.Now()) {
			for _, v := range s.Values {
				all = append(all, timeOf(v[0]))
			}
		}
	}
	slices.SortFunc(all, time.Time.Compare)
	return slices.CompactFunc(all, time.Time.Equal)
}

func timeOf(v any) time.Time { return time.UnixMilli(int64(v.(float64)*1e3 + .5)) }

func number(v any) float64 {
	n, err := strconv.ParseFloat(fmt.Sprint(v), 64)
	if err != nil {
		panic(err)
	}
	return n
}

// growth is PromQL's increase in the window before a time, and the first values of new series. PromQL does not
// know that a synchronous instrument's series begins at zero, so it leaves these out.
func (p prometheus) growth(selector string, at time.Time, fromZero bool) (sum float64, any bool) {
	span := fmt.Sprintf("[%dms]", window.Milliseconds())
	for _, s := range p.query("sum(increase("+selector+span+" anchored))", at) {
		sum, any = sum+number(s.Value[1]), true
	}
	if !fromZero {
		return sum, any
	}
	for _, s := range p.query(selector+"[2m]", at) {
		if first := s.Values[0]; at.Sub(timeOf(first[0])) < window {
			sum, any = sum+number(first[1]), true
		}
	}
	return sum, any
}

// expected are the values of the rules at a time.
func (p prometheus) expected(at time.Time) map[string]float64 {
	all := map[string]float64{}
	jobs, some := p.growth(`jobs_done_total{job="truth"}`, at, true)
	failed, _ := p.growth(`jobs_done_total{job="truth", outcome="error"}`, at, true)
	if some {
		all["increase"] = jobs
	}
	if jobs >= 10 {
		all["ratio"] = failed / jobs
	}
	count, _ := p.growth(`job_duration_seconds_bucket{job="truth", le="+Inf"}`, at, true)
	below, _ := p.growth(`job_duration_seconds_bucket{job="truth", le="0.5"}`, at, true)
	if count >= 10 {
		all["share"] = 1 - below/count
		all["quantile"] = 1 - below/count
	}
	if n, some := p.growth(`worker_done_total{job="truth"}`, at, false); some {
		all["observed"] = n
	}
	if n, some := p.growth(`worker_done_total{job="truth", worker="0"}`, at, false); some {
		all["stuck"] = n
	}
	return all
}
