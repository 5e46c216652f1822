package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// generateLoad posts jobs at a steady rate until ctx ends. It ignores the answers, but waits for them.
func generateLoad(ctx context.Context, url string, perSecond int) {
	if perSecond == 0 {
		return
	}
	client := &http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	var open sync.WaitGroup
	defer open.Wait()
	slots := make(chan struct{}, 256) // at most this many requests in flight
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
		open.Go(func() {
			defer func() { <-slots }()
			res, err := client.Post(url, "application/json", strings.NewReader(`{"input":"load"}`))
			if err != nil {
				return // not counted, because the request did not reach the service
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		})
	}
}
