// Package export exports verdicts as health.* metrics and as log records. It declares all
// instruments of the Monitor with name, unit and description.
//
// In: a judge.Verdict, on the goroutine of any reader; runs, on the goroutine of their loop;
// changes, on the goroutine of the judge. Out: observations, without a lock of its own and without an
// error; log records, on its own goroutine. It reads no metric back.
package export

import (
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/metric"

	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
)

// durationBounds are the buckets of health.check.duration, in seconds, without the timeouts of the
// checks.
var durationBounds = []float64{.001, .01, .1, .5, 1, 2}

// Instruments are the instruments of the Monitor. The observable ones are read from the verdict, so
// that one collection shows one judgement.
type Instruments struct {
	created atomic.Bool // until then nothing is exported

	// Evidence.
	checkDuration metric.Float64Histogram
	failures      metric.Int64ObservableGauge
	lastRun       metric.Float64ObservableGauge
	lastSuccess   metric.Float64ObservableGauge
	beats         metric.Int64ObservableCounter
	active        metric.Int64ObservableUpDownCounter

	// Judgement.
	checkStatus      metric.Int64ObservableUpDownCounter
	checkValue       metric.Float64ObservableGauge
	checkLimit       metric.Float64ObservableGauge
	checkInterval    metric.Float64ObservableGauge
	checkTimeout     metric.Float64ObservableGauge
	checkInfo        metric.Int64ObservableUpDownCounter
	checkOverride    metric.Int64ObservableUpDownCounter
	checkShadow      metric.Int64ObservableUpDownCounter
	lastTransition   metric.Float64ObservableGauge
	checkTransitions metric.Int64Counter
	probeStatus      metric.Int64ObservableUpDownCounter
	probeDuration    metric.Float64ObservableCounter
	shadowStatus     metric.Int64ObservableUpDownCounter
	shadowDuration   metric.Float64ObservableCounter
	probeTransitions metric.Int64Counter
	probeRequests    metric.Int64ObservableCounter
	lifecycleStatus  metric.Int64ObservableUpDownCounter
	fileInvalid      metric.Int64ObservableUpDownCounter

	// Peers.
	peers         metric.Int64ObservableUpDownCounter
	peerAddresses metric.Int64ObservableUpDownCounter
	peerRequests  metric.Int64ObservableCounter
	peerStatus    metric.Int64ObservableUpDownCounter
	peerStay      metric.Float64ObservableCounter
	panic         metric.Int64ObservableUpDownCounter

	durationBounds []float64 // of checkDuration

	// Attribute sets, built once, because the callback runs for every reader.
	checks      sync.Map // *judge.Subject → *check
	probeStates [len(states.Probes)][len(states.ProbeStates)]metric.ObserveOption
	lifecycles  [len(states.Phases)]metric.ObserveOption
	contacts    [len(states.Contacts)]metric.ObserveOption
}

// New makes the instruments, which export nothing before Create. timeouts are those of the checks,
// in seconds.
func New(timeouts []float64) *Instruments {
	i := &Instruments{durationBounds: conventions.Merge(durationBounds, timeouts)}
	for _, p := range states.Probes {
		for n, s := range states.ProbeStates {
			i.probeStates[p][n] = metric.WithAttributes(conventions.ProbeName.String(p.String()), conventions.ProbeState.String(string(s)))
		}
	}
	for n, l := range states.Phases {
		i.lifecycles[n] = metric.WithAttributes(conventions.Lifecycle.String(string(l)))
	}
	for n, c := range states.Contacts {
		i.contacts[n] = metric.WithAttributes(conventions.PeerState.String(c.String()))
	}
	return i
}

// Create creates the instruments. The MeterProvider is foreign, and may take long.
func (i *Instruments) Create(mp metric.MeterProvider) error {
	m := Builder{Meter: mp.Meter(conventions.Scope, metric.WithSchemaURL(conventions.SchemaURL))}
	i.checkDuration = m.Histogram("health.check.duration", "s", "Duration of one run of an active check.", i.durationBounds)
	i.failures = m.intGauge("health.check.consecutive_failures", "{failure}", "Failed runs of an active check since its last success.")
	i.lastRun = m.gauge("health.check.last_run.timestamp", "s", "Unix time at which the last run of an active check finished.")
	i.lastSuccess = m.gauge("health.check.last_success.timestamp", "s", "Unix time of the last success of an active check.")
	i.beats = m.counter("health.heartbeat.beats", "{beat}", "Signs of life of a worker.")
	i.active = m.UpDown("health.heartbeat.active", "1", "Pieces of work that are under way.")
	i.checkStatus = m.UpDown("health.check.status", "1", "1 for the state that a check is in, 0 for the others.")
	i.checkValue = m.gauge("health.check.value", "", "Value of a rule's indicator, in its own unit.")
	i.checkLimit = m.gauge("health.check.limit", "", "Limit of a rule, in its indicator's unit.")
	i.checkInterval = m.gauge("health.check.interval", "s", "Time from one run of an active check to the next.")
	i.checkTimeout = m.gauge("health.check.timeout", "s", "Time that one run of an active check may take.")
	i.checkInfo = m.UpDown("health.check.info", "1", "Always 1; what a failing check does is an attribute.")
	i.checkOverride = m.UpDown("health.check.override", "1", "1 while an operator overrides what a failing check does.")
	i.checkShadow = m.UpDown("health.check.shadow", "1", "1 while a check is judged without force.")
	i.lastTransition = m.gauge("health.check.last_transition.timestamp", "s", "Unix time at which a check entered its state.")
	i.checkTransitions = m.events("health.check.transitions", "{transition}", "Changes of a check's state, by the new state.")
	i.probeStatus = m.UpDown("health.probe.status", "1", "1 for the state that a probe is in, 0 for the others.")
	i.probeDuration = m.seconds("health.probe.state.duration", "s", "Time that a probe has spent in a state.")
	i.shadowStatus = m.UpDown("health.probe.shadow.status", "1", "1 for the state that a probe would be in if the checks in shadow had force, 0 for the others.")
	i.shadowDuration = m.seconds("health.probe.shadow.state.duration", "s", "Time that a probe would have spent in a state if the checks in shadow had force.")
	i.probeTransitions = m.events("health.probe.transitions", "{transition}", "Changes of a probe's state, by the new state.")
	i.probeRequests = m.counter("health.probe.requests", "{request}", "Probe requests answered.")
	i.fileInvalid = m.UpDown("health.file.invalid", "1", "1 while a file of the operators is invalid or can't be read, and its last content stays in force.")
	i.lifecycleStatus = m.UpDown("health.lifecycle.status", "1", "1 for the phase that the process is in, 0 for the others.")
	i.peers = m.UpDown("health.peers", "{peer}", "Peers that were asked about a failing check, by their votes.")
	i.peerAddresses = m.UpDown("health.peers.addresses", "{address}", "Addresses that the name of the peers has, with the instance's own.")
	i.peerRequests = m.counter("health.peers.requests", "{request}", "Questions to peers.")
	i.peerStatus = m.UpDown("health.peers.status", "1", "1 for what is known of the way to the peers, 0 for the others.")
	i.peerStay = m.seconds("health.peers.stay.duration", "s", "Time that only the peers have kept the instance ready, although a core check failed.")
	i.panic = m.UpDown("health.panic", "1", "1 while a core check fails and the instance stays ready, because most of its peers don't work either.")
	if m.Err == nil {
		i.created.Store(true)
	}
	return m.Err
}

// Records creates the counter of package blackbox. The MeterProvider is foreign, and may take long.
func Records(mp metric.MeterProvider) (metric.Int64Counter, error) {
	m := Builder{Meter: mp.Meter(conventions.Scope, metric.WithSchemaURL(conventions.SchemaURL))}
	c := m.events("health.blackbox.records", "{record}", "Records of failing probes, with error.type if a record could not be written.")
	return c, m.Err
}

// all are the observable instruments, which share the one callback.
func (i *Instruments) all() []metric.Observable {
	return []metric.Observable{
		i.failures, i.lastRun, i.lastSuccess, i.beats, i.active, i.checkStatus, i.checkValue, i.checkLimit, i.checkInterval,
		i.checkTimeout, i.checkInfo, i.checkOverride, i.lastTransition, i.probeStatus, i.probeDuration, i.probeRequests, i.lifecycleStatus, i.fileInvalid,
		i.checkShadow, i.shadowStatus, i.shadowDuration,
		i.peers, i.peerAddresses, i.peerRequests, i.peerStatus, i.peerStay, i.panic,
	}
}

// Observing registers the one callback of all observable instruments. end unregisters it.
func (i *Instruments) Observing(mp metric.MeterProvider, f metric.Callback) (end func(), err error) {
	meter := mp.Meter(conventions.Scope, metric.WithSchemaURL(conventions.SchemaURL))
	r, err := meter.RegisterCallback(f, i.all()...)
	if err != nil {
		return nil, err
	}
	return func() { _ = r.Unregister() }, nil
}
