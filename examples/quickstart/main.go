// Command orders takes orders over HTTP and ships one of them a second.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/telemetry"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	l, err := net.Listen("tcp", "localhost:8000")
	if err == nil {
		err = serve(ctx, l)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// checks are what the service is judged by.
var checks = []healthcheck.Check{
	{Name: "queue", Role: healthcheck.Core, Limit: healthcheck.Last("queue.length").AtMost(80).WarnAbove(50)},
	{Name: "prices", Role: healthcheck.Core, Func: readPrices, Interval: 2 * time.Second, Failures: 2, Successes: 1},
	{Name: "latency", Limit: healthcheck.Quantile("http.server.request.duration", .99, 30*time.Second).AtMost(.5)},
}

func readPrices(context.Context) error {
	_, err := os.ReadFile("prices.json")
	return err
}

func serve(ctx context.Context, l net.Listener) error {
	health := &healthcheck.Monitor{Checks: checks}
	tel, err := telemetry.Start(telemetry.Config{ServiceName: "orders", View: health.View})
	if err != nil {
		return err
	}
	defer tel.Close()

	queue := make(chan string, 100)
	if _, err := healthcheck.NewQueue(nil, "orders", cap(queue), func() int { return len(queue) }); err != nil {
		return err
	}
	go func() {
		for range queue {
			time.Sleep(time.Second) // ship it
		}
	}()
	orders := http.NewServeMux()
	orders.HandleFunc("POST /orders", func(w http.ResponseWriter, r *http.Request) {
		select {
		case queue <- r.FormValue("item"):
			w.WriteHeader(http.StatusAccepted)
		default:
			http.Error(w, "the queue is full", http.StatusServiceUnavailable)
		}
	})

	mux := http.NewServeMux()
	mux.Handle("/", tel.Handler(orders)) // measures the requests
	mux.Handle("/metrics", tel.Metrics())
	health.Register(mux) // /health, /ready, /startup: beside what is measured
	if err := health.Start(ctx, tel.Reader); err != nil {
		return err
	}
	fmt.Println("orders: http://" + l.Addr().String())
	return health.Serve(&http.Server{Handler: mux}, l, 5*time.Second)
}
