package pager

import (
	"fmt"
	"strings"
	"time"
)

// A condition is the state of a pod at a moment. The zero value is a pod that is well.
type condition struct {
	life            string // if empty: running
	database, cache string // states of a core and an auxiliary check; if empty: pass
	readiness       string // if empty: what the checks say
	errors, slow    float64
	rate            float64 // requests a second
	queue           float64 // items
	idle            bool    // nothing is taken from the queue
	hung            time.Duration
	deaf            bool // it lives and can't export
	refused         bool // it exports what Prometheus refuses
	override        bool
	stays           bool // a core check fails, and the peers keep it ready, because they fail too
}

// A pod is an instance of a service. Times count from the event of the scene.
type pod struct {
	job, id, name, version, cluster string
	start, end                      time.Duration
	ends, killed                    bool // with end; a killed one does not drain
	starting                        time.Duration
	offset                          time.Duration // of its exports
	behave                          func(at time.Duration, c *condition)
	noHealth                        bool // another team's service
	drain                           time.Duration
	peers                           bool                     // it has Config.Peers
	minutely                        bool                     // exports are a minute apart
	cut                             func(time.Duration) bool // its data does not arrive

	counters map[string]float64
	before   map[string]string // states of checks
	last     time.Duration
	done     bool
	series   known
}

const (
	forever = 1000 * time.Hour
	drain   = 35 * time.Second
)

// pods returns n pods that have run for days.
func pods(n int, job string, behave func(at time.Duration, c *condition)) (list []*pod) {
	for i := range n {
		list = append(list, &pod{job: job, id: fmt.Sprintf("uid-%03d.app", i), name: fmt.Sprintf("app-5d8f-%03d", i), version: "1.0", drain: drain,
			start: -72 * time.Hour, offset: time.Duration(i%15) * time.Second, behave: behave})
	}
	return list
}

// successor returns a pod that begins at start, and is ready after starting.
func successor(job, id string, start, starting time.Duration, i int) *pod {
	return &pod{job: job, id: id, name: "app-6c-" + strings.TrimSuffix(strings.TrimPrefix(id, "uid-"), ".app"), version: "2.0", drain: drain, start: start, starting: starting, offset: time.Duration(i%15) * time.Second}
}

// ending lets a pod drain until at.
func (p *pod) ending(at time.Duration) { p.end, p.ends = at, true }

// dies kills a pod.
func (p *pod) dies(at time.Duration) { p.end, p.ends, p.killed = at, true, true }

// within runs a change of the condition between two times.
func within(from, to time.Duration, change func(*condition)) func(time.Duration, *condition) {
	return func(at time.Duration, c *condition) {
		if at >= from && at < to {
			change(c)
		}
	}
}

// at returns the condition of the pod. Orderly ends drain before.
func (p *pod) at(now time.Duration) condition {
	c := condition{life: "running", database: "pass", cache: "pass", rate: 5, queue: 2}
	if p.behave != nil {
		p.behave(now, &c)
	}
	if now < p.start+p.starting {
		c.life = "starting"
	}
	if p.ends && !p.killed && now >= p.end-p.drain {
		c.life = "draining"
	}
	if c.readiness == "" {
		c.readiness = c.judge()
	}
	if c.stays = p.peers && c.readiness == "fail" && c.life == "running" && c.database != "unknown"; c.stays {
		c.readiness = "warn"
	}
	return c
}

func (c condition) judge() string {
	switch {
	case c.life != "running", c.database == "fail", c.database == "stale", c.database == "unknown":
		return "fail"
	case c.cache == "fail", c.cache == "stale":
		return "warn"
	}
	return "pass"
}
