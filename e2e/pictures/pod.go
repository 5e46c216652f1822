package main

import (
	"fmt"
	"hash/fnv"
	"math"
	"strings"
	"time"
)

// now is the end of each scene, so that the same scene always gives the same picture.
var now = time.Date(2026, 11, 28, 12, 4, 0, 0, time.UTC)

// ago is a time of a scene.
func ago(d time.Duration) time.Time { return now.Add(-d) }

// between tells whether a time is in a part of a scene.
func between(t time.Time, from, to time.Duration) bool {
	return !t.Before(ago(from)) && t.Before(ago(to))
}

// A condition is the state of a pod at a moment.
type condition struct {
	life                            string
	database, cache, queue, latency string // states of checks
	rate, errors                    float64
	median                          float64 // duration of a request, in seconds
	length                          float64 // of the queue
}

// A pod is an instance of a service.
type pod struct {
	job, name, version string
	start, end         time.Time
	killed             bool // at its end it does not drain
	offset             time.Duration
	behave             func(t time.Time, c *condition)

	counters map[string]float64
	before   map[string]string // states of checks
	changed  map[string]time.Time
	last     time.Time
	series   map[string]*series
}

const (
	tick     = 15 * time.Second // between exports
	starting = 40 * time.Second
	drain    = 35 * time.Second
)

func (p *pod) instance() string {
	return fmt.Sprintf("%08x-5d1c-4e0b-9a77-%s", hash(p.name), p.name[len(p.name)-1:])
}

func hash(s string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(s))
	return h.Sum32()
}

// noise is between -1 and 1, smooth over five minutes, and the same in each run.
func noise(key string, t time.Time) float64 {
	at := func(n int64) float64 { return float64(hash(fmt.Sprint(key, n))%2001)/1000 - 1 }
	n, f := t.Unix()/300, float64(t.Unix()%300)/300
	f *= f * (3 - 2*f)
	return at(n)*(1-f) + at(n+1)*f
}

// at returns the condition of the pod.
func (p *pod) at(t time.Time) condition {
	c := condition{life: "running", database: "pass", cache: "pass", queue: "pass", latency: "pass", rate: 5, median: .04, length: 2}
	if p.behave != nil {
		p.behave(t, &c)
	}
	if t.Before(p.start.Add(starting)) {
		c.life, c.rate = "starting", 0
	}
	if !p.end.IsZero() && !p.killed && !t.Before(p.end.Add(-drain)) {
		c.life, c.rate = "draining", 0
	}
	return c
}

// ready is what readiness says: database and queue are core checks, the others warn.
func (c condition) ready() string {
	switch {
	case c.life != "running", out(c.database), out(c.queue):
		return "fail"
	case c.database != "pass", c.cache != "pass", c.queue != "pass", c.latency != "pass":
		return "warn"
	}
	return "pass"
}

func out(state string) bool { return strings.Contains("fail stale unknown", state) }

// faster is the share of events that take at most le, around a median.
func faster(le, median, sigma float64) float64 {
	return .5 * math.Erfc(-math.Log(le/median)/sigma/math.Sqrt2)
}
