package lint

import (
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

type container struct {
	Name  string
	Args  []string
	Env   []struct{ Name, Value string }
	From  []any `yaml:"envFrom"`
	Ports []struct {
		Name          string
		ContainerPort int `yaml:"containerPort"`
	}
	Startup   *probe `yaml:"startupProbe"`
	Liveness  *probe `yaml:"livenessProbe"`
	Readiness *probe `yaml:"readinessProbe"`
	Lifecycle struct {
		PreStop struct {
			Sleep struct{ Seconds int }
			Exec  struct{ Command []string }
		} `yaml:"preStop"`
	}
	Resources struct{ Requests, Limits map[string]string }
	Security  struct {
		ReadOnly bool `yaml:"readOnlyRootFilesystem"`
	} `yaml:"securityContext"`
	Mounts []struct {
		Name string
		Path string `yaml:"mountPath"`
	} `yaml:"volumeMounts"`
}

var sleeps = regexp.MustCompile(`(^|[ /])sleep (\d+)s?($|[ ;&])`)

// preStop returns the time from the start of the termination to SIGTERM.
func (c container) preStop() time.Duration {
	seconds := c.Lifecycle.PreStop.Sleep.Seconds
	if m := sleeps.FindStringSubmatch(strings.Join(c.Lifecycle.PreStop.Exec.Command, " ")); m != nil {
		seconds, _ = strconv.Atoi(m[2])
	}
	return time.Duration(seconds) * time.Second
}

// arg returns the value of a flag, as -flag=value or -flag value.
func (c container) arg(name string) (string, bool) {
	for i, a := range c.Args {
		key, value, given := strings.Cut(strings.TrimLeft(a, "-"), "=")
		switch {
		case !strings.HasPrefix(a, "-") || key != name:
		case given:
			return value, true
		case i+1 < len(c.Args):
			return c.Args[i+1], true
		}
	}
	return "", false
}

func (c container) env(name string) (string, bool) {
	for _, e := range c.Env {
		if e.Name == name {
			return e.Value, true
		}
	}
	return "", false
}

// listenFlag matches flags for a listen address.
var listenFlag = regexp.MustCompile(`^--?[\w.-]*(addr|address|listen|port)=?`)

// listens returns the ports of listen addresses in arguments and variables. It may be empty.
func (c container) listens() (ports []int) {
	add := func(addr string) {
		_, port, err := net.SplitHostPort(addr)
		if n, err2 := strconv.Atoi(port); err == nil && err2 == nil {
			ports = append(ports, n)
		}
	}
	for i, a := range c.Args {
		switch _, value, given := strings.Cut(a, "="); {
		case !listenFlag.MatchString(a):
		case given:
			add(value)
		case i+1 < len(c.Args):
			add(c.Args[i+1])
		}
	}
	for _, e := range c.Env {
		if strings.HasSuffix(e.Name, "_ADDR") || strings.HasSuffix(e.Name, "_ADDRESS") {
			add(e.Value)
		}
	}
	return ports
}

// port returns the number of a probe's port. The probe may give a name.
func (c container) port(p any) (int, bool) {
	if n, ok := p.(int); ok {
		return n, slices.ContainsFunc(c.Ports, func(port struct {
			Name          string
			ContainerPort int `yaml:"containerPort"`
		}) bool {
			return port.ContainerPort == n
		})
	}
	for _, port := range c.Ports {
		if port.Name == p {
			return port.ContainerPort, true
		}
	}
	return 0, false
}

func (c container) lintMemory(find finder) {
	soft, has := c.env("GOMEMLIMIT")
	hard, limited := c.Resources.Limits["memory"]
	if a, b := bytesOf(soft), bytesOf(hard); has && limited && a >= b {
		find("%s: GOMEMLIMIT %s is not below the memory limit of %s", c.Name, soft, hard)
	}
}

// bytesOf reads sizes such as 230MiB and 256Mi.
func bytesOf(s string) float64 {
	s = strings.TrimSuffix(s, "B")
	for i, unit := range []string{"Ki", "Mi", "Gi", "Ti"} {
		if n, ok := strings.CutSuffix(s, unit); ok {
			f, _ := strconv.ParseFloat(n, 64)
			for range i + 1 {
				f *= 1024
			}
			return f
		}
	}
	f, _ := strconv.ParseFloat(s, 64)
	return f
}
