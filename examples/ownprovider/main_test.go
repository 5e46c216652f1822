package main

import (
	"maps"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/examples/internal/story"
)

func TestService(t *testing.T) {
	c := story.NewCollector(t)
	s := story.New(t)
	s.Exports = []func(string) []string{c.States} // this service has no /metrics
	s.Web(serve, func(*story.Service) {
		want, got := story.Requests("/orders/{id}"), map[string]uint64(nil)
		for end := time.Now().Add(time.Minute); !maps.Equal(got, want); time.Sleep(10 * time.Millisecond) {
			if got = c.Requests(); time.Now().After(end) {
				t.Fatalf("requests by route: %v, want %v", got, want)
			}
		}
	})
	if got := c.States("readiness"); len(got) != 1 || got[0] != "fail" {
		t.Errorf("the last export has readiness %q", got)
	}
}
