package generate

import (
	"math"

	"github.com/spf13/pflag"
)

// settings are thresholds that differ between fleets.
type settings struct {
	low, critical       float64 // share of the expected instances
	ready, errors, slow float64 // objectives, in percent
	services            int     // that fall silent at once are one cause
}

func (l *settings) flags(f *pflag.FlagSet) {
	f.Float64Var(&l.low, "capacity-low", .7, "`share` of the expected instances below which capacity is a ticket")
	f.Float64Var(&l.critical, "capacity-critical", .5, "`share` of the expected instances below which capacity is a page")
	f.Float64Var(&l.ready, "ready-objective", 99, "`percent` of the instances' time that is to be ready")
	f.Float64Var(&l.errors, "error-objective", 99.9, "`percent` of the requests that are to have no error")
	f.Float64Var(&l.slow, "slow-objective", 99, "`percent` of the requests that are to take less than half a second")
	f.IntVar(&l.services, "silent-services", 3, "`number` of services that fall silent at once from which that is one page")
}

// usual are the settings without flags.
func usual() (l settings) {
	l.flags(pflag.NewFlagSet("", pflag.ContinueOnError))
	return l
}

// budget is what an objective leaves.
func budget(percent float64) float64 { return math.Round((100-percent)*1e7) / 1e9 }
