package generate

import (
	"math"

	"github.com/spf13/pflag"
)

// settings are thresholds that users may set.
type settings struct {
	low, critical       float64 // share of the expected instances
	ready, errors, slow float64 // objectives, in percent
	services            int     // so many that fall silent at once have one cause
}

func (l *settings) flags(f *pflag.FlagSet) {
	f.Float64Var(&l.low, "capacity-low", .7, "`share` of the expected instances below which capacity is a ticket")
	f.Float64Var(&l.critical, "capacity-critical", .5, "`share` of the expected instances below which capacity is a page")
	f.Float64Var(&l.ready, "ready-objective", 99, "`percent` of the instances' time in service that should be ready")
	f.Float64Var(&l.errors, "error-objective", 99.9, "`percent` of requests that should have no error")
	f.Float64Var(&l.slow, "slow-objective", 99, "`percent` of requests that should take less than half a second")
	f.IntVar(&l.services, "silent-services", 3, "`number` of services: if so many fall silent at once, that is one page")
}

// usual are the settings without flags.
func usual() (l settings) {
	l.flags(pflag.NewFlagSet("", pflag.ContinueOnError))
	return l
}

// budget is the share of bad time or requests that an objective allows.
func budget(percent float64) float64 { return math.Round((100-percent)*1e7) / 1e9 }
