package main

import "testing"

// TestValue: short times are in milliseconds, and a limit has the unit of its value.
func TestValue(t *testing.T) {
	at := func(v float64) *float64 { return &v }
	for _, tt := range []struct {
		c    check
		want string
	}{
		{check{}, "-"},
		{check{ObservedValue: at(84), ObservedUnit: "{item}", Limit: at(80)}, "84, at most 80"},
		{check{ObservedValue: at(8.551e-5), ObservedUnit: "s"}, "0.08551 ms"},
		{check{ObservedValue: at(0.00495), ObservedUnit: "s", Limit: at(.5)}, "4.95 ms, at most 500 ms"},
		{check{ObservedValue: at(.25), ObservedUnit: "s", Limit: at(10)}, "0.25 s, at most 10 s"},
		{check{ObservedValue: at(12), ObservedUnit: "s", Limit: at(.5)}, "12 s, at most 0.5 s"},
		{check{ObservedValue: at(.02), ObservedUnit: "1", WarnLimit: at(.01)}, "0.02, warns above 0.01"},
		{check{ObservedValue: at(3), ObservedUnit: "MiBy", MinLimit: at(5)}, "3 MiBy, at least 5 MiBy"},
	} {
		if got := tt.c.value(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}
