package main

import (
	"testing"

	"github.com/otelhealth/otelhealth/examples/internal/story"
)

func TestService(t *testing.T) {
	c := story.NewCollector(t)
	s := story.New(t)
	s.Exports = append(s.Exports, c.States)
	s.Web(serve, story.Routed("/orders/{id}"))
	if got := c.States("readiness"); len(got) != 1 || got[0] != "fail" {
		t.Errorf("the last export has readiness %q", got)
	}
}
