package lint

import "slices"

type probe struct {
	HTTPGet *struct {
		Path string
		Port any
	} `yaml:"httpGet"`
	Period    int `yaml:"periodSeconds"`
	Timeout   int `yaml:"timeoutSeconds"`
	Failures  int `yaml:"failureThreshold"`
	Successes int `yaml:"successThreshold"`
}

// These are the API server's defaults.
func (p *probe) defaults() {
	if p == nil {
		return
	}
	for field, value := range map[*int]int{&p.Period: 10, &p.Timeout: 1, &p.Failures: 3} {
		if *field == 0 {
			*field = value
		}
	}
}

func (c container) lintProbes(find finder) {
	probes := []struct {
		name string
		*probe
	}{{"startup", c.Startup}, {"liveness", c.Liveness}, {"readiness", c.Readiness}}
	listens := c.listens()
	for _, p := range probes {
		if p.probe == nil || p.HTTPGet == nil {
			continue
		}
		port, ok := c.port(p.HTTPGet.Port)
		switch {
		case !ok: // the API server accepts it, and the kubelet drops every result
			find("%s: the %s probe's port %v is not a port of the container", c.Name, p.name, p.HTTPGet.Port)
		case len(listens) > 0 && !slices.Contains(listens, port):
			find("%s: the %s probe asks port %d, but it listens only on %v", c.Name, p.name, port, listens)
		}
		if p.Timeout > p.Period {
			find("%s: the %s probe's timeout of %d s is longer than its period of %d s", c.Name, p.name, p.Timeout, p.Period)
		}
		wrong := map[string]string{"startup": "", "liveness": "/ready", "readiness": "/health"}[p.name]
		if wrong != "" && p.HTTPGet.Path == wrong {
			find("%s: the %s probe asks %s", c.Name, p.name, wrong)
		}
	}
	if l, r := c.Liveness, c.Readiness; c.same(l, r) && l.HTTPGet.Path != "/" && l.HTTPGet.Path != "/health" { // many programs answer / while they live, and our /health judges no dependency
		find("%s: the liveness probe asks %s as the readiness probe does: if that judges a dependency, its outage restarts every instance", c.Name, l.HTTPGet.Path)
	}
	if p := c.Liveness; p != nil && p.Failures == 1 {
		find("%s: one lost liveness probe restarts it", c.Name)
	}
}

// same reports whether two probes ask the same path of the same port.
func (c container) same(a, b *probe) bool {
	if a == nil || b == nil || a.HTTPGet == nil || b.HTTPGet == nil {
		return false
	}
	port, ok := c.port(a.HTTPGet.Port)
	other, both := c.port(b.HTTPGet.Port)
	return ok && both && port == other && a.HTTPGet.Path == b.HTTPGet.Path
}
