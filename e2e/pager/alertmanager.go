package pager

import (
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/config/common"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/prometheus/alertmanager/matcher/compat"
	"github.com/prometheus/alertmanager/pkg/labels"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/rules"
)

// utf8 lets configurations have label names with dots, as Alertmanager does at its start.
var utf8 sync.Once

// alertmanager has the routes and the inhibitions of a configuration.
type alertmanager struct {
	route *dispatch.Route
	rules []common.InhibitRule
}

func newAlertmanager(file string) (*alertmanager, error) {
	utf8.Do(func() { compat.InitFromFlags(slog.New(slog.DiscardHandler), featurecontrol.NoopFlags{}) })
	c, err := config.LoadFile(file)
	if err != nil {
		return nil, err
	}
	return &alertmanager{dispatch.NewRoute(c.Route, nil), c.InhibitRules}, nil
}

// inhibited reports whether one of the firing alerts keeps this one back. An alert that matches both
// sides of a rule is not inhibited by other alerts on both sides.
func (am *alertmanager) inhibited(alert model.LabelSet, firing []model.LabelSet) bool {
	for _, r := range am.rules {
		source, target := labels.Matchers(r.SourceMatchers), labels.Matchers(r.TargetMatchers)
		if target.Matches(alert) && slices.ContainsFunc(firing, func(s model.LabelSet) bool {
			return source.Matches(s) && !(target.Matches(s) && source.Matches(alert)) &&
				!slices.ContainsFunc(r.Equal, func(l string) bool { return s[model.LabelName(l)] != alert[model.LabelName(l)] })
		}) {
			return true
		}
	}
	return false
}

// A notification is a group of alerts with one receiver.
type notification struct {
	page  bool
	alert string // its alertname
	job   string
	began []time.Duration // more than one, if it ended in between
	until time.Duration
	most  int // alerts at once
	said  map[string]bool
}

// heard are the notifications, by group.
type heard map[string]*notification

// A delivery is an alert that is let through, for one receiver.
type delivery struct {
	labels model.LabelSet
	page   bool
	key    string // of its notification
	text   string
}

// deliver returns what an evaluation lets through.
func (am *alertmanager) deliver(firing []*rules.Alert) (out []delivery) {
	var sets []model.LabelSet
	for _, a := range firing {
		l := model.LabelSet{}
		for n, v := range a.Labels.Map() {
			l[model.LabelName(n)] = model.LabelValue(v)
		}
		sets = append(sets, l)
	}
	for n, l := range sets {
		if am.inhibited(l, sets) {
			continue
		}
		for _, route := range am.route.Match(l) {
			var by []string
			for name := range route.RouteOpts.GroupBy {
				by = append(by, string(name))
			}
			slices.Sort(by)
			key := route.RouteOpts.Receiver
			for _, name := range by {
				key += "|" + string(l[model.LabelName(name)])
			}
			out = append(out, delivery{l, route.RouteOpts.Receiver == "pager", key, firing[n].Annotations.Get("summary") + " " + firing[n].Annotations.Get("description")})
		}
	}
	return out
}

// listen takes down what is delivered.
func (h heard) listen(list []delivery, now time.Duration) {
	count := map[string]int{}
	for _, d := range list {
		x := h[d.key]
		if x == nil {
			x = &notification{page: d.page, alert: string(d.labels["alertname"]), job: string(d.labels["job"]), said: map[string]bool{}}
			h[d.key] = x
		}
		if len(x.began) == 0 || now-x.until > 5*time.Minute { // Alertmanager's group_interval
			x.began = append(x.began, now)
		}
		x.until = now
		count[d.key]++
		x.most = max(x.most, count[d.key])
		x.said[d.text] = true
	}
}

// texts are what the notifications say.
func (h heard) texts() (list []string) {
	for key, x := range h {
		for text := range x.said {
			list = append(list, key+": "+text)
		}
	}
	slices.Sort(list)
	return list
}

// unnamed is an instance in a text without the name of its pod.
var unnamed = regexp.MustCompile(`uid-[\w-]+\.app(?:$|[^,\w]|,[^ ]|, [^p])`)

// broken returns a text of a notification that lacks a value.
func (h heard) broken() string {
	for _, x := range h {
		for text := range x.said {
			for _, sign := range []string{"<no value>", "error expanding", "  ", " .", " ,", "of :", "()"} {
				if strings.Contains(text, sign) {
					return text
				}
			}
			if unnamed.MatchString(text) {
				return text
			}
		}
	}
	return ""
}
