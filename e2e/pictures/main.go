package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A picture is a view of a dashboard in a scene.
type picture struct {
	board, scene string
	rows         []string // titles of the rows to draw; all that are open if empty
	but          []string // titles of panels to leave out, at the end of a row
	span         time.Duration
	vars         map[string]string
	name         string // without the theme; of a picture in docs/images
}

func (p picture) file(theme string) string {
	name := p.name
	if name == "" {
		name = strings.TrimPrefix(p.board, "health-") + "-" + p.scene
	}
	return name + "-" + theme + ".png"
}

var (
	themes = []string{"dark", "light"}
	orders = map[string]string{"job": "shop/orders"}
)

// documented are the pictures in docs/images.
var documented = []picture{
	{name: "fleet", board: "health-fleet", scene: "incident", span: 2 * time.Hour, rows: []string{"Now", "History"}},
	{name: "service", board: "health-service", scene: "incident", span: time.Hour, rows: []string{"Verdict", "Why"}, vars: orders},
	{name: "silent", board: "health-service", scene: "dead", span: time.Hour, rows: []string{"Verdict", "Why"}, vars: orders},
	{name: "check", board: "health-check", scene: "incident", span: 40 * time.Minute, rows: []string{"Now", "History", "Runs of active checks"}, vars: map[string]string{"job": "shop/orders", "check": "database"}},
	{name: "slo", board: "health-slo", scene: "incident", span: 24 * time.Hour, rows: []string{"Over the time range", "Burn rates"}},
	{name: "telemetry", board: "health-telemetry", scene: "dead", span: time.Hour, rows: []string{"Services"}, but: []string{"Items lost", "Invalid environment variables", "Mended texts"}}, // they are at zero
}

// everything is each dashboard in each scene, with all rows but those of traces.
func everything() (list []picture) {
	for _, sc := range scenes {
		list = append(list,
			picture{board: "health-fleet", scene: sc.name, span: 2 * time.Hour},
			picture{board: "health-service", scene: sc.name, span: time.Hour, vars: orders, rows: []string{"Verdict", "Why", "Peers and shadow", "Requests", "Queues", "Process"}},
			picture{board: "health-check", scene: sc.name, span: 2 * time.Hour, vars: orders},
			picture{board: "health-slo", scene: sc.name, span: 7 * 24 * time.Hour},
			picture{board: "health-telemetry", scene: sc.name, span: time.Hour})
	}
	return list
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "pictures:", err)
		os.Exit(1)
	}
}

func run() error {
	docs := flag.Bool("docs", false, "draw the pictures of docs/images, in place of all")
	out := flag.String("out", "", "`directory` of the pictures; if empty, docs/images or a temporary one")
	only := flag.String("only", "", "draw the pictures only whose name matches this `expression`, such as fleet-.*-dark")
	flag.Parse()
	list := everything()
	if *docs {
		list = documented
	}
	match, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(p picture) bool {
		return !slices.ContainsFunc(themes, func(theme string) bool { return match.MatchString(p.file(theme)) })
	})
	scratch, err := os.MkdirTemp("", "pictures")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	switch {
	case *out == "" && *docs:
		*out = images
	case *out == "":
		if *out, err = os.MkdirTemp("", "drawn"); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(*out, 0o755); err != nil {
		return err
	}
	if err := bundle(scratch); err != nil {
		return err
	}
	b, err := startBrowser(context.Background(), scratch)
	if err != nil {
		return err
	}
	defer b.end()
	var problems []error
	slices.SortStableFunc(list, func(a, b picture) int { return strings.Compare(a.scene, b.scene) })
	var played *store
	for n, p := range list {
		if n == 0 || list[n-1].scene != p.scene {
			if played != nil {
				played.db.Close()
			}
			if played, err = perform(filepath.Join(scratch, p.scene), p.scene); err != nil {
				return err
			}
		}
		for _, theme := range themes {
			if !match.MatchString(p.file(theme)) {
				continue
			}
			if err := p.draw(b, played, theme, *out); err != nil {
				problems = append(problems, fmt.Errorf("%s: %w", p.file(theme), err))
			}
		}
	}
	if played != nil {
		played.db.Close()
	}
	fmt.Println("drawn in", *out)
	return errors.Join(problems...)
}

// perform plays a scene of all services.
func perform(dir, name string) (*store, error) {
	sc, err := sceneOf(name)
	if err != nil {
		return nil, err
	}
	s, err := open(dir, rules)
	if err != nil {
		return nil, err
	}
	w := &world{days: 8 * 24 * time.Hour}
	sc.build(w, services)
	return s, w.play(s)
}
