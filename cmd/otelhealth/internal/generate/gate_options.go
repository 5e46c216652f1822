package generate

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// gateOptions are the flags of gates and autoscalers.
type gateOptions struct {
	toArgo, toFlagger, toKeda, toHPA bool

	job, name, namespace, prometheus, podLabel string

	window, interval, hold, slow time.Duration
	successes, minRequests, port int
	noTraffic, checks            string

	queue                               string
	queueLimit, queueShare, podCapacity float64
	minReplicas, maxReplicas            int
}

func (o *gateOptions) flags(f *pflag.FlagSet) {
	f.BoolVar(&o.toArgo, "argo", false, "print an AnalysisTemplate for Argo Rollouts")
	f.BoolVar(&o.toFlagger, "flagger", false, "print MetricTemplates and a Canary for Flagger")
	f.BoolVar(&o.toKeda, "keda", false, "print a ScaledObject for KEDA, which scales by the queue")
	f.BoolVar(&o.toHPA, "hpa", false, "print a HorizontalPodAutoscaler, which scales by the queue")
	f.StringVar(&o.job, "job", "", "`value` of the label job, such as shop/orders")
	f.StringVar(&o.name, "name", "", "`name` of the Rollout or Deployment")
	f.StringVar(&o.namespace, "namespace", "", "`namespace` in the manifests; without it kubectl chooses")
	f.StringVar(&o.prometheus, "prometheus", "http://prometheus.monitoring:9090", "`URL` of Prometheus inside the cluster")
	f.StringVar(&o.podLabel, "pod-label", "", "`label` with the pod's name (default k8s_pod_name, or k8s.pod.name with such names)")
	f.DurationVar(&o.window, "window", 2*time.Minute, "gates: `time` over which requests are compared, at least 4 exports; verdicts look back half of it")
	f.DurationVar(&o.interval, "interval", 30*time.Second, "gates: `time` between two questions")
	f.IntVar(&o.successes, "successes", 4, "gates: good `answers` in a row before Argo promotes")
	f.DurationVar(&o.hold, "wait", 10*time.Minute, "gates: `time` after which Argo pauses the rollout if the data is not enough; also how far back restarts count")
	f.DurationVar(&o.slow, "slow", 500*time.Millisecond, "gates: `time` over which a request is slow; with classic histograms a boundary of the histogram of requests")
	f.IntVar(&o.minRequests, "min-requests", 200, "gates: `requests` to the canary in the window, to promote")
	f.StringVar(&o.noTraffic, "no-traffic", "hold", "gates: with fewer requests, hold the rollout, or ignore errors and slow requests (for workers)")
	f.StringVar(&o.checks, "checks", "all", "gates: all checks except informational ones, or core: only core and vital ones")
	f.IntVar(&o.port, "port", 8000, "flagger: `port` of the Service")
	f.StringVar(&o.queue, "queue", "", "keda, hpa: `name` of the queue")
	f.Float64Var(&o.queueLimit, "queue-limit", 0, "keda, hpa: `items` at which the queue's rule warns")
	f.Float64Var(&o.queueShare, "queue-share", .25, "keda, hpa: target of a pod's queue, as a `share` of that limit, below 1")
	f.Float64Var(&o.podCapacity, "pod-capacity", 0, "keda, hpa: `jobs` a second that a pod can do; if given, it also scales at 70 % of that rate")
	f.IntVar(&o.minReplicas, "min-replicas", 2, "keda, hpa: least number of `pods`, not 0")
	f.IntVar(&o.maxReplicas, "max-replicas", 10, "keda, hpa: largest number of `pods`")
}

// any reports whether manifests are wanted.
func (o gateOptions) any() bool { return o.toArgo || o.toFlagger || o.toKeda || o.toHPA }

// mixed finds a flag that belongs to the other half of the command.
func mixed(f *pflag.FlagSet, printed bool) error {
	own := pflag.NewFlagSet("", pflag.ContinueOnError)
	new(gateOptions).flags(own)
	shared := []string{"names", "histograms", "selector", "requests", "status-label", "help"}
	var problem error
	f.Visit(func(g *pflag.Flag) {
		switch ofGates := own.Lookup(g.Name) != nil; {
		case problem != nil || slices.Contains(shared, g.Name):
		case ofGates && !printed:
			problem = fmt.Errorf("--%s needs one of --argo, --flagger, --keda, --hpa", g.Name)
		case !ofGates && printed:
			problem = fmt.Errorf("--%s is for alerts and dashboards; manifests go to standard output", g.Name)
		}
	})
	return problem
}

// dnsLabel is a name in Kubernetes. It is part of a regular expression in the queries.
var dnsLabel = regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`)

// Kubernetes cuts a pod's generated name after 58 characters. A hash takes 10 of them, and hyphens 2.
const (
	longestRollout = 46
	longestTarget  = longestRollout - len("-primary")
)

// check returns one error. It names the flag.
func (o gateOptions) check() error {
	u, err := url.Parse(o.prometheus)
	for _, c := range []struct {
		wrong bool
		flag  string
		text  string
	}{
		{o.job == "", "job", "is missing: the value of the label job, such as shop/orders"},
		{strings.ContainsAny(o.job, "\"\\{}"), "job", "can't have quotes, backslashes or braces"},
		{o.name == "", "name", "is missing: the name of the Rollout or Deployment"},
		{!dnsLabel.MatchString(o.name), "name", "is not a name in Kubernetes"},
		{o.toArgo && len(o.name) > longestRollout, "name", fmt.Sprintf("has more than %d characters, so pods' names would be cut and no series would match", longestRollout)},
		{o.toFlagger && len(o.name) > longestTarget, "name", fmt.Sprintf("has more than %d characters, so pods' names would be cut and no series would match", longestTarget)},
		{o.namespace != "" && !dnsLabel.MatchString(o.namespace), "namespace", "is not a name in Kubernetes"},
		{err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "", "prometheus", "is not a URL such as http://prometheus.monitoring:9090"},
		{o.window < time.Minute, "window", "must be at least 1m: four exports of 15 s"},
		{o.window%(2*time.Second) != 0, "window", "must be an even number of seconds"},
		{o.interval < 10*time.Second, "interval", "must be at least 10s"},
		{o.interval%time.Second != 0, "interval", "must be a number of seconds"},
		{o.successes < 1, "successes", "must be at least 1"},
		{o.hold < o.window+time.Duration(o.successes)*o.interval, "wait", "must be at least --window and --successes times --interval"},
		{o.hold%time.Second != 0, "wait", "must be a number of seconds"},
		{o.slow <= 0, "slow", "must be more than 0"},
		{o.minRequests < leastRequests, "min-requests", fmt.Sprintf("must be at least %d", leastRequests)},
		{o.noTraffic != "hold" && o.noTraffic != "ignore", "no-traffic", "must be hold or ignore"},
		{o.checks != "all" && o.checks != "core", "checks", "must be all or core"},
		{o.port < 1 || o.port > 65535, "port", "is not a port"},
	} {
		if c.wrong {
			return errors.New("--" + c.flag + " " + c.text)
		}
	}
	if o.toKeda || o.toHPA {
		return o.checkScaling()
	}
	return nil
}

func (o gateOptions) checkScaling() error {
	for _, c := range []struct {
		wrong bool
		flag  string
		text  string
	}{
		{o.queue == "", "queue", "is missing: the value of the attribute queue.name"},
		{!(o.queueLimit > 0), "queue-limit", "is missing: the number of items at which the queue's rule warns"},
		{!(o.queueShare > 0 && o.queueShare < 1), "queue-share", "must be between 0 and 1: a queue at its limit warns already"},
		{!(o.podCapacity >= 0), "pod-capacity", "must not be negative"},
		{o.minReplicas < 1, "min-replicas", "must be at least 1: without a pod the queue has no series"},
		{o.maxReplicas < o.minReplicas, "max-replicas", "must be at least --min-replicas"},
	} {
		if c.wrong {
			return errors.New("--" + c.flag + " " + c.text)
		}
	}
	return nil
}

// print prints the manifests.
func (o gateOptions) print(out io.Writer, d dialect) error {
	if err := o.check(); err != nil {
		return err
	}
	if d.pod = o.podLabel; d.pod != "" && d.names.ShouldEscape() && !model.LegacyValidation.IsValidLabelName(d.pod) {
		return fmt.Errorf("--pod-label: %q is not a label with these names", d.pod)
	}
	if d.request.metric != "" && !o.toArgo && !o.toFlagger {
		return errors.New("--requests is for alerts, dashboards, --argo and --flagger; --keda and --hpa read no requests")
	}
	g := gate{dialect: d, window: o.window, interval: o.interval, successes: o.successes, hold: o.hold, slow: o.slow,
		minRequests: o.minRequests, noTraffic: o.noTraffic, checks: o.checks}
	var printed []string
	for _, m := range []struct {
		chosen bool
		make   func() (string, error)
	}{
		{o.toArgo, func() (string, error) { return g.argo(o) }},
		{o.toFlagger, func() (string, error) { return g.flagger(o) }},
		{o.toKeda, func() (string, error) { return o.keda(d) }},
		{o.toHPA, func() (string, error) { return o.hpa(d) }},
	} {
		if !m.chosen {
			continue
		}
		text, err := m.make()
		if err != nil {
			return err
		}
		printed = append(printed, text)
	}
	_, err := io.WriteString(out, strings.Join(printed, "---\n"))
	return err
}

// manifests writes objects below a comment.
func manifests(comment string, objects ...manifest) (string, error) {
	var b strings.Builder
	b.WriteString("# Generated by otelhealth generate.\n" + comment + "\n")
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	for _, o := range objects {
		if err := e.Encode(o); err != nil {
			return "", err
		}
	}
	return b.String(), e.Close()
}
