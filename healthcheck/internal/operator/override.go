package operator

import (
	"bufio"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/otelhealth/otelhealth/healthcheck/effect"
)

// overrides are the effects that an operator has put in place of the roles', by
// check name. "*" stands for every check that is not named.
type Overrides map[string]effect.Effect

func (o Overrides) Of(check string) effect.Effect {
	if e, ok := o[check]; ok {
		return e
	}
	return o["*"]
}

// parseOverrides reads NAME=EFFECT pairs, separated by commas or lines; # begins a
// comment. All mistakes are returned at once.
func ParseOverrides(text string, known func(string) bool) (Overrides, error) {
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
			case !slices.Contains([]effect.Effect{effect.Fail, effect.Warn, effect.Off}, effect.Effect(value)):
				errs = append(errs, fmt.Errorf("%q: the effect of a check is fail, warn or off", pair))
			case name != "*" && !known(name):
				errs = append(errs, fmt.Errorf("%q: there is no check of that name", pair))
			case twice:
				errs = append(errs, fmt.Errorf("%q: the check is named twice", pair))
			default:
				o[name] = effect.Effect(value)
			}
		}
	}
	return o, errors.Join(append(errs, lines.Err())...)
}
