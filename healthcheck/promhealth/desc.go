package promhealth

import (
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// described is a Desc with its text and its name. The name is read from the text, because a Desc
// has no accessors. The begin of the text has not changed since client_golang 1.0.
type described struct {
	desc *prometheus.Desc
	text string
	name string
}

// describe lists the descriptions of a collector or a whole registry.
func describe(c prometheus.Collector) (all []described) {
	ch, sent := make(chan *prometheus.Desc, 64), make(chan struct{})
	go func() {
		defer close(sent)
		_ = guarded(func() { c.Describe(ch) }) // missing descriptions count as not registered
	}()
	receive(ch, sent, func(d *prometheus.Desc) {
		text := textOf(d)
		all = append(all, described{d, text, nameOf(text)})
	})
	return all
}

// textOf returns the text of a description. Some releases of client_golang panic on an invalid one.
func textOf(d *prometheus.Desc) (text string) {
	defer func() { _ = recover() }()
	return d.String()
}

// nameOf reads the name in Desc{fqName: "name", help: …}.
func nameOf(text string) string {
	name, _, _ := quoted(text, "Desc{fqName: ")
	return name
}

// quoted reads the quoted text after a prefix.
func quoted(text, prefix string) (value, rest string, ok bool) {
	rest, ok = strings.CutPrefix(text, prefix)
	if !ok {
		return "", text, false
	}
	q, err := strconv.QuotedPrefix(rest)
	if err != nil {
		return "", text, false
	}
	value, err = strconv.Unquote(q)
	return value, rest[len(q):], err == nil
}

// constLabels reads the labels in Desc{…: "…", constLabels: {a="b",c="d"}, variableLabels: …}. The
// quoted help may contain anything.
func constLabels(text string) (all map[string]string, ok bool) {
	const key = "constLabels: {"
	rest, ok := strings.CutPrefix(text, "Desc{")
	for ok && !strings.HasPrefix(rest, key) {
		i := strings.IndexByte(rest, '"')
		if i < 0 {
			return nil, false
		}
		_, rest, ok = quoted(rest[i:], "")
		rest = strings.TrimPrefix(rest, ", ")
	}
	if !ok {
		return nil, false
	}
	all = map[string]string{}
	for rest = rest[len(key):]; !strings.HasPrefix(rest, "}"); rest = strings.TrimPrefix(rest, ",") {
		name, value, found := strings.Cut(rest, "=")
		if !found {
			return nil, false
		}
		if all[name], rest, ok = quoted(value, ""); !ok {
			return nil, false
		}
	}
	return all, true
}

// wrapping finds the prefix and the labels that a wrapped Registerer adds to a collector. The lists
// are in the same order, because every name gets the same prefix.
func wrapping(inner, outer []described) (prefix string, labels []*dto.LabelPair, ok bool) {
	if len(inner) != len(outer) || len(inner) == 0 {
		return "", nil, false
	}
	byText := func(a, b described) int { return strings.Compare(a.text, b.text) }
	inner, outer = slices.Clone(inner), slices.Clone(outer)
	slices.SortFunc(inner, byText)
	slices.SortFunc(outer, byText)
	prefix, ok = strings.CutSuffix(outer[0].name, inner[0].name)
	for i := range inner {
		ok = ok && outer[i].name == prefix+inner[i].name
	}
	in, ok1 := constLabels(inner[0].text)
	out, ok2 := constLabels(outer[0].text)
	for name, value := range out {
		if _, has := in[name]; !has {
			labels = append(labels, &dto.LabelPair{Name: &name, Value: &value})
		}
	}
	return prefix, labels, ok && ok1 && ok2
}
