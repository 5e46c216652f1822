package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"
)

// generateLoad posts jobs at a steady rate until ctx ends, whatever is answered.
func generateLoad(ctx context.Context, url string, perSecond int) {
	if perSecond == 0 {
		return
	}
	client := &http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	slots := make(chan struct{}, 256) // in flight at most
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		select {
		case slots <- struct{}{}:
		default:
			continue
		}
		go func() {
			defer func() { <-slots }()
			res, err := client.Post(url, "application/json", strings.NewReader(`{"input":"load"}`))
			if err != nil {
				return // counted by nobody: it did not reach the service
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}()
	}
}
