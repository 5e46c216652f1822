package lint

import "fmt"

// system holds everything that lint compares. Its types have only the fields that lint reads. The
// API server checks the others.
type system struct {
	workloads  []workload
	services   []service
	policies   []policy
	configMaps []configMap
	budgets    []budget
	scalers    []scaler
	monitors   []monitor
	alerts     []alert
	checks     []check
	peers      string // of healthcheck.Config in the code
}

// lint returns one line for each contradiction. The line begins with the object's name.
func (s system) lint() (found []string) {
	find := func(where, format string, a ...any) { found = append(found, where+": "+fmt.Sprintf(format, a...)) }
	for _, w := range s.workloads {
		where := w.Kind + " " + w.Metadata.Name
		for _, c := range w.Spec.Template.Spec.Containers {
			w.lintEnd(c, func(format string, a ...any) { find(where, format, a...) })
			c.lintProbes(func(format string, a ...any) { find(where, format, a...) })
			c.lintMemory(func(format string, a ...any) { find(where, format, a...) })
			c.lintEnv(func(format string, a ...any) { find(where, format, a...) })
			s.lintPeers(w, c, func(format string, a ...any) { find(where, format, a...) })
			s.lintPaths(w, c, func(format string, a ...any) { find(where, format, a...) })
		}
		w.lintOwner(func(format string, a ...any) { find(where, format, a...) })
		s.lintTelemetry(w, func(format string, a ...any) { find(where, format, a...) })
	}
	for _, v := range s.services {
		s.lintService(v, func(format string, a ...any) { find("Service "+v.Metadata.Name, format, a...) })
	}
	for _, p := range s.policies {
		s.lintPolicy(p, func(format string, a ...any) { find("NetworkPolicy "+p.Metadata.Name, format, a...) })
	}
	for _, b := range s.budgets {
		s.lintBudget(b, func(format string, a ...any) { find("PodDisruptionBudget "+b.Metadata.Name, format, a...) })
	}
	for _, h := range s.scalers {
		s.lintScaler(h, func(format string, a ...any) { find("HorizontalPodAutoscaler "+h.Metadata.Name, format, a...) })
	}
	for _, c := range s.checks {
		if c.unreadable != "" {
			find("check "+c.name, "%s is not a constant, so the detection time is unknown", c.unreadable)
		}
	}
	for _, a := range s.alerts {
		s.lintAlert(a, func(format string, a2 ...any) { find("alert "+a.Alert, format, a2...) })
	}
	return found
}

type finder func(format string, a ...any)
