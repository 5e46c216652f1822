package main

import (
	"testing"

	"github.com/otelhealth/otelhealth/examples/internal/story"
)

func TestService(t *testing.T) { story.Web(t, serve, story.Routed("/orders/{id}")) }
