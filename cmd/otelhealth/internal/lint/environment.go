package lint

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

var (
	reference = regexp.MustCompile(`\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)`)
	memory    = regexp.MustCompile(`^(\d+([KMGT]i)?B|\d+|off)$`)
	ofImage   = regexp.MustCompile(`^/(usr|bin|etc/ssl|proc|sys|dev)(/|$)`)
)

// lintEnv finds references to unset variables, and bad values of GOMEMLIMIT.
func (c container) lintEnv(find finder) {
	set := map[string]bool{}
	for _, e := range c.Env {
		for _, name := range references(e.Value) {
			if !set[name] && len(c.From) == 0 { // Kubernetes leaves an unknown reference as it is, the same text in every pod
				find("%s: %s names $(%s), but that is not set before it", c.Name, e.Name, name)
			}
		}
		set[e.Name] = true
		if e.Name == "GOMEMLIMIT" && e.Value != "" && !memory.MatchString(e.Value) {
			find("%s: GOMEMLIMIT %s is invalid, so Go exits at once; write it like 230MiB", c.Name, e.Value)
		}
	}
	for _, a := range c.Args {
		for _, name := range references(a) {
			if !set[name] && len(c.From) == 0 {
				find("%s: the argument %s names $(%s), but that is not set", c.Name, a, name)
			}
		}
	}
}

// references returns the variables in a text, without duplicates.
func references(text string) (names []string) {
	for _, m := range reference.FindAllStringSubmatch(text, -1) {
		if !slices.Contains(names, m[1]) {
			names = append(names, m[1])
		}
	}
	return names
}

// lintPaths checks paths in arguments and variables against the volumes. With a read-only root file
// system only volumes are writable. In a ConfigMap the file must exist.
func (s system) lintPaths(w workload, c container, find finder) {
	paths := map[string]bool{}
	for _, text := range c.Args {
		if _, value, ok := strings.Cut(text, "="); ok {
			text = value
		}
		paths[text] = true
	}
	for _, e := range c.Env {
		paths[e.Value] = true
	}
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		if !strings.HasPrefix(path, "/") || ofImage.MatchString(path) {
			continue
		}
		at, name := "", ""
		for _, m := range c.Mounts {
			if strings.HasPrefix(path+"/", strings.TrimSuffix(m.Path, "/")+"/") && len(m.Path) > len(at) {
				at, name = m.Path, m.Name
			}
		}
		if at == "" {
			if c.Security.ReadOnly {
				find("%s: %s is not on a volume, and the root file system is read-only", c.Name, path)
			}
			continue
		}
		i := slices.IndexFunc(w.Spec.Template.Spec.Volumes, func(v volume) bool { return v.Name == name })
		if i < 0 || w.Spec.Template.Spec.Volumes[i].ConfigMap == nil {
			continue
		}
		from := w.Spec.Template.Spec.Volumes[i].ConfigMap
		files, err := s.configMap(from.Name)
		file := strings.TrimPrefix(strings.TrimPrefix(path, at), "/")
		_, has := files.Data[file]
		switch {
		case err != nil && len(s.configMaps) > 0:
			find("%s: %s: %v in these manifests", c.Name, path, err)
		case err == nil && len(files.Data) > 0 && file != "" && !has && len(from.Items) == 0:
			find("%s: %s is not in ConfigMap %s, only %v", c.Name, path, from.Name, slices.Sorted(maps.Keys(files.Data)))
		}
	}
}
