package healthcheck

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	fleetSeeds = flag.Int("fleets", 1, "stories of each row of the table of fleets; 1 is for some rows alone, and under 20 leaves out long ones")
	fleetFirst = flag.Uint64("fleet", 1, "seed of the first of these stories")
)

// summary is the outcome of all stories of a row, with peers or without.
type summary struct {
	seeds, fewest, leastEnd, mostEnd, changes int
	lastOut                                   time.Duration
}

func (s *summary) add(o told) {
	if s.seeds++; s.seeds == 1 {
		*s = summary{1, o.fewest, o.end, o.end, o.changes, o.lastOut}
		return
	}
	s.fewest, s.leastEnd, s.mostEnd = min(s.fewest, o.fewest), min(s.leastEnd, o.end), max(s.mostEnd, o.end)
	s.changes, s.lastOut = max(s.changes, o.changes), max(s.lastOut, o.lastOut)
}

func (s *summary) cells() string {
	end, out := strconv.Itoa(s.leastEnd), "–"
	if s.mostEnd > s.leastEnd {
		end += " to " + strconv.Itoa(s.mostEnd)
	}
	if s.lastOut >= 0 {
		out = fmt.Sprintf("%.1f s", s.lastOut.Seconds())
	}
	return fmt.Sprintf("%d | %s | %d | %s", s.fewest, end, s.changes, out)
}

// within returns how a summary of fewer stories exceeds the bounds in the table; empty if it does not.
func (s *summary) within(cells string) string {
	numbers := regexp.MustCompile(`\d+`).FindAllString(cells, -1)
	var n []int
	for _, text := range numbers {
		i, _ := strconv.Atoi(text)
		n = append(n, i)
	}
	if strings.Contains(cells, " to ") {
		n = slices.Delete(n, 1, 2)
		if s.mostEnd > n[1] {
			return fmt.Sprintf("%d ready at the end", s.mostEnd)
		}
	}
	switch {
	case s.fewest < n[0]:
		return fmt.Sprintf("%d ready", s.fewest)
	case s.changes > n[2]:
		return fmt.Sprintf("%d changes of mind", s.changes)
	}
	return ""
}

// enough is how many stories give the bounds of a row in the table.
const enough = 50

const fleetPage = "../docs/failure-modes.md"

// TestFleets runs each story with peers and without. The table in docs/failure-modes.md has the worst outcome of
// each row's stories. This command writes the table:
//
//	go test -run TestFleets -timeout 3h -fleets 200 -update .
//
// An outcome depends on its seed. To repeat one story: -run 'TestFleets/ROW' -fleets 1 -fleet SEED.
func TestFleets(t *testing.T) {
	page, err := os.ReadFile(fleetPage)
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	for _, r := range fleetRows {
		t.Run(r.what, func(t *testing.T) {
			var sums [2]summary // without, and with peers
			seeds := max(1, *fleetSeeds/r.share)
			switch {
			case r.heavy() && *fleetSeeds < 20:
				t.Log("only with -fleets 20 or more, because its stories take long")
				return
			case *fleetSeeds < 2 && !slices.Contains(brief, r.what):
				t.Log("only with -fleets 2 or more")
				return
			}
			for n := range seeds {
				seed := *fleetFirst + uint64(n)
				alone := tell(t, r.world, seed, false, nil)
				o := tell(t, r.world, seed, true, nil)
				sums[0].add(alone)
				sums[1].add(o)
				if problem := r.want(o, alone); problem != "" {
					t.Errorf("%s: again with -fleets 1 -fleet %d", problem, seed)
				}
			}
			line := fmt.Sprintf("| %s | %d | %s | %s |\n", r.what, seeds, sums[0].cells(), sums[1].cells())
			table.WriteString(line)
			t.Log(line)
			if *update {
				return
			}
			found := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(r.what) + ` \|(.*)\|$`).FindSubmatch(page)
			if found == nil {
				t.Fatalf("%s has no such row", fleetPage)
			}
			cells := strings.SplitN(string(found[1]), "|", 6)
			if told, err := strconv.Atoi(strings.TrimSpace(cells[0])); err != nil || told < enough {
				return // few stories are no bounds
			}
			cells = cells[1:]
			for with, theirs := range []string{strings.Join(cells[:4], "|"), cells[4]} {
				if problem := sums[with].within(theirs); problem != "" {
					t.Errorf("peers %v: %s, and the table has %s", with == 1, problem, theirs)
				}
			}
		})
	}
	if *update {
		head := "| what happens | stories | fewest ready | at the end | changes | last out | with peers: fewest ready | at the end | changes | last out |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
		between := regexp.MustCompile(`(?s)(<!-- fleets -->\n).*(<!-- end -->)`)
		page = between.ReplaceAll(page, []byte("${1}"+head+table.String()+"${2}"))
		if err := os.WriteFile(fleetPage, page, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
