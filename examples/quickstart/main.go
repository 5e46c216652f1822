// Command orders receives orders over HTTP and ships one of them every second.
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
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/telemetry"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	l, err := net.Listen("tcp", "localhost:8000")
	if err == nil {
		err = serve(ctx, l)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// config has the service's checks and rules.
var config = healthcheck.Config{
	Checks: []healthcheck.Check{{Name: "prices", Func: readPrices}},
	Rules: []rule.Rule{
		{Name: "queue", Value: rule.Last("queue.length"), Fail: rule.Above(80), Warn: rule.Above(50), OnFail: healthcheck.NotReady},
		{Name: "latency", Value: rule.Quantile(.99, "http.server.request.duration"), Fail: rule.Above(500 * time.Millisecond)},
	},
}

func readPrices(context.Context) error {
	_, err := os.ReadFile("prices.json")
	return err
}

func serve(ctx context.Context, l net.Listener) error {
	queue := make(chan string, 100)
	health := healthcheck.New(config)
	health.Queue("orders", cap(queue), func() int { return len(queue) })
	tel, err := telemetry.Start(ctx, telemetry.Config{ServiceName: "orders", Health: health})
	if err != nil {
		return err
	}
	defer tel.Close()

	go func() {
		for range queue {
			time.Sleep(time.Second) // ship the order
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
	mux.Handle("/", tel.Instrument(orders)) // measures the requests
	mux.Handle("/metrics", tel.MetricsHandler())
	fmt.Println("orders: http://" + l.Addr().String())
	return health.Serve(&http.Server{Handler: health.Wrap(mux)}, l)
}
