package operator

import (
	"bufio"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// Overrides are the effects that an operator has set instead of the configured ones, by name. "*"
// stands for every check that is not named.
type Overrides map[string]verdict.Effect

// Of returns the override of a check; empty if there is none.
func (o Overrides) Of(check string) verdict.Effect {
	if e, ok := o[check]; ok {
		return e
	}
	return o["*"]
}

// effects are the allowed overrides. Operators can't set Restart. They can only enforce it, if it is the
// OnFail of the check.
var effects = []verdict.Effect{states.NotReady, states.WarnOnly, states.ShowOnly, states.Shadow, states.Enforce}

// ParseOverrides reads NAME=EFFECT pairs, separated by commas or lines; # begins a
// comment. It returns the valid pairs, and all mistakes at once.
func ParseOverrides(text string) (Overrides, error) {
	o := Overrides{}
	var errs []error
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "#")
		for pair := range strings.SplitSeq(line, ",") {
			if pair = strings.TrimSpace(pair); pair == "" {
				continue
			}
			name, value, _ := strings.Cut(pair, "=")
			name, value = strings.TrimSpace(name), strings.TrimSpace(value)
			_, twice := o[name]
			switch {
			case name == "":
				errs = append(errs, fmt.Errorf("%q: no check is named", pair))
			case !slices.Contains(effects, verdict.Effect(value)):
				errs = append(errs, fmt.Errorf("%q: write NAME=not-ready, NAME=warn, NAME=show, NAME=shadow or NAME=enforce", pair))
			case twice:
				errs = append(errs, fmt.Errorf("%q: the check is named twice", pair))
			default:
				o[name] = verdict.Effect(value)
			}
		}
	}
	return o, errors.Join(append(errs, lines.Err())...)
}

// Unknown returns the names without a check, sorted. They may belong to another release, or to a
// check that is added later.
func (o Overrides) Unknown(known func(name string) bool) (names []string) {
	for name := range o {
		if name != "*" && !known(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
