package buildinfo

import (
	"runtime/debug"
	"testing"
)

func TestVersion(t *testing.T) {
	setting := func(kv ...string) (s []debug.BuildSetting) {
		for i := 0; i < len(kv); i += 2 {
			s = append(s, debug.BuildSetting{Key: kv[i], Value: kv[i+1]})
		}
		return s
	}
	for want, info := range map[string]debug.BuildInfo{
		"v1.2.3":                   {Main: debug.Module{Version: "v1.2.3"}, Settings: setting("vcs.revision", "0123456789abcdef")},
		"devel":                    {Main: debug.Module{Version: "(devel)"}},
		"devel-0123456789ab":       {Main: debug.Module{Version: "(devel)"}, Settings: setting("vcs.revision", "0123456789abcdef", "vcs.modified", "false")},
		"devel-0123456789ab-dirty": {Settings: setting("vcs.revision", "0123456789abcdef", "vcs.modified", "true")},
		"devel-01":                 {Settings: setting("vcs.revision", "01")},
	} {
		if got := version(&info); got != want {
			t.Errorf("version = %q, want %q", got, want)
		}
	}
	if Version() == "" {
		t.Error("this binary has no version")
	}
}

func TestName(t *testing.T) {
	for _, none := range []string{" ", "$(NAME)", "x-${NAME}", "%{NAME}", "{{ .Name }}"} {
		t.Setenv("OTEL_SERVICE_NAME", none)
		if got := Name(); got != "buildinfo.test" {
			t.Errorf("%s: Name = %q", none, got)
		}
	}
	t.Setenv("OTEL_SERVICE_NAME", "orders")
	if got := Name(); got != "orders" {
		t.Errorf("Name = %q", got)
	}
}
