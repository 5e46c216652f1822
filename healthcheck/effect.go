package healthcheck

import (
	"bufio"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// effect is what a failing check does to readiness.
type effect string

const (
	effectFail effect = "fail"
	effectWarn effect = "warn"
	effectOff  effect = "off"
)

// effect is the one that a role has by itself.
func (r Role) effect() effect {
	switch r {
	case Core, Vital:
		return effectFail
	case Informational:
		return effectOff
	}
	return effectWarn
}

// overrides are the effects that an operator has put in place of the roles', by
// check name. "*" stands for every check that is not named.
type overrides map[string]effect

func (o overrides) of(check string) effect {
	if e, ok := o[check]; ok {
		return e
	}
	return o["*"]
}

// parseOverrides reads NAME=EFFECT pairs, separated by commas or lines; # begins a
// comment. All mistakes are returned at once.
func parseOverrides(text string, known func(string) bool) (overrides, error) {
	o := overrides{}
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
			case !slices.Contains([]effect{effectFail, effectWarn, effectOff}, effect(value)):
				errs = append(errs, fmt.Errorf("%q: the effect of a check is fail, warn or off", pair))
			case name != "*" && !known(name):
				errs = append(errs, fmt.Errorf("%q: there is no check of that name", pair))
			case twice:
				errs = append(errs, fmt.Errorf("%q: the check is named twice", pair))
			default:
				o[name] = effect(value)
			}
		}
	}
	return o, errors.Join(append(errs, lines.Err())...)
}
