package generate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// instrument is a line of the table of instruments.
type instrument struct {
	Name, Kind, Unit string
	Attributes       []string
	Description      string
}

// parseInventory reads the table that a package's tests keep: a line for each instrument, name |
// kind | unit | attributes | description.
func parseInventory(table string) ([]instrument, error) {
	var all []instrument
	for line := range strings.Lines(table) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), " | ", 5)
		if len(f) != 5 || f[0] == "" {
			return nil, fmt.Errorf("%q is not a line of an inventory", line)
		}
		all = append(all, instrument{f[0], f[1], f[2], strings.Fields(f[3]), f[4]})
	}
	slices.SortFunc(all, func(a, b instrument) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}
