package promhealth

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// family is an instrument of a Monitor, as it is on /metrics.
type family struct {
	instrument string
	name       string
	help       string
	labels     []string
}

func (f family) desc(labels []string) *prometheus.Desc {
	return prometheus.NewDesc(f.name, f.help, labels, nil)
}

func made(instrument, suffix, help, labels string) family {
	return family{instrument, underscored(instrument) + suffix, help, strings.Fields(labels)}
}

// exported has all families of a Monitor. A test compares them with the instruments.
var exported = []family{
	made("health.check.duration", "_seconds", "Duration of one run of an active check.", "error_type health_check_name"),
	made("health.check.consecutive_failures", "", "Failed runs of an active check since its last success.", "health_check_name"),
	made("health.check.last_run.timestamp", "_seconds", "Unix time at which the last run of an active check finished.", "health_check_name"),
	made("health.check.last_success.timestamp", "_seconds", "Unix time of the last success of an active check.", "health_check_name"),
	made("health.heartbeat.beats", "_total", "Signs of life of a worker.", "health_heartbeat_name"),
	made("health.heartbeat.active", "", "Pieces of work that are under way.", "health_heartbeat_name"),
	made("health.check.status", "", "1 for the state that a check is in, 0 for the others.", "health_check_name health_check_state"),
	made("health.check.value", "", "Value of a rule's indicator, in its own unit.", "health_check_name"),
	made("health.check.limit", "", "Limit of a rule, in its indicator's unit.", "health_check_limit_type health_check_name"),
	made("health.check.interval", "_seconds", "Time from one run of an active check to the next.", "health_check_name"),
	made("health.check.timeout", "_seconds", "Time that one run of an active check may take.", "health_check_name"),
	made("health.check.info", "", "Always 1; what a failing check does is an attribute.", "health_check_name health_check_role"),
	made("health.check.override", "", "1 while an operator overrides what a failing check does.", "health_check_effect health_check_name"),
	made("health.check.shadow", "", "1 while a check is judged without force.", "health_check_name"),
	made("health.check.last_transition.timestamp", "_seconds", "Unix time at which a check entered its state.", "health_check_name"),
	made("health.check.transitions", "_total", "Changes of a check's state, by the new state.", "health_check_name health_check_state"),
	made("health.probe.status", "", "1 for the state that a probe is in, 0 for the others.", "health_probe_name health_probe_state"),
	made("health.probe.state.duration", "_seconds_total", "Time that a probe has spent in a state.", "health_probe_name health_probe_state"),
	made("health.probe.shadow.status", "", "1 for the state that a probe would be in if the checks in shadow had force, 0 for the others.", "health_probe_name health_probe_state"),
	made("health.probe.shadow.state.duration", "_seconds_total", "Time that a probe would have spent in a state if the checks in shadow had force.", "health_probe_name health_probe_state"),
	made("health.probe.transitions", "_total", "Changes of a probe's state, by the new state.", "health_probe_name health_probe_state"),
	made("health.probe.requests", "_total", "Probe requests answered.", "health_probe_name http_response_status_code"),
	made("health.lifecycle.status", "", "1 for the phase that the process is in, 0 for the others.", "health_lifecycle_state"),
	made("health.file.invalid", "", "1 while a file of the operators is invalid or can't be read, and its last content stays in force.", "health_file_name"),
	made("health.peers", "", "Peers that were asked about a failing check, by their votes.", "health_check_name health_peer_vote"),
	made("health.peers.addresses", "", "Addresses that the name of the peers has, with the instance's own.", ""),
	made("health.peers.requests", "_total", "Questions to peers.", ""),
	made("health.peers.status", "", "1 for what is known of the way to the peers, 0 for the others.", "health_peers_state"),
	made("health.peers.stay.duration", "_seconds_total", "Time that only the peers have kept the instance ready, although a core check failed.", ""),
	made("health.panic", "", "1 while a core check fails and the instance stays ready, because most of its peers don't work either.", ""),
	made("queue.length", "", "Items in a queue.", "queue_name"),
	made("queue.capacity", "", "Items that a queue can hold.", "queue_name"),
	made("queue.wait.duration", "_seconds", "Time that an item spent in a queue.", "queue_name"),
}

var byInstrument, byName = map[string]*family{}, map[string]*family{}

func init() {
	for i := range exported {
		f := &exported[i]
		byInstrument[f.instrument], byName[f.name] = f, f
	}
}

// isVerdict reports whether a family is part of the verdict.
func (f family) isVerdict() bool { return strings.HasPrefix(f.instrument, "health.") }

// isQueue reports whether a family belongs to Monitor.Queue. Rules may read it, and the service may
// have a metric of the same name.
func (f family) isQueue() bool { return !f.isVerdict() }
