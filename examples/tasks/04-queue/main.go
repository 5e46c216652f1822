package main

import (
	"context"
	"database/sql"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	_ "github.com/otelhealth/otelhealth/examples/internal/faultdb"
	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/telemetry"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	db, err := sql.Open("faultdb", os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	health := healthcheck.New(healthcheck.Config{
		Checks: []healthcheck.Check{{Name: "database", Func: db.PingContext}},
		Rules:  []rule.Rule{{Name: "queue", Value: rule.Last("queue.length").Where("queue.name", "jobs"), Fail: rule.Above(80), Warn: rule.Above(50), OnFail: healthcheck.NotReady}},
	})
	tel, err := telemetry.Start(ctx, telemetry.Config{ServiceName: "orders", Health: health})
	if err != nil {
		log.Fatal(err)
	}
	defer tel.Close()
	health.Queue("jobs", cap(jobs), func() int { return len(jobs) })
	go func() {
		for job := range jobs {
			log.Print(job)
		}
	}()
	http.Handle("/", tel.Instrument(http.HandlerFunc(app)))
	http.Handle("GET /metrics", tel.MetricsHandler())
	if err := health.ListenAndServe(&http.Server{Addr: os.Getenv("ADDR"), Handler: health.Wrap(http.DefaultServeMux)}); err != nil {
		log.Fatal(err)
	}
}

var jobs = make(chan string, 100)

func app(w http.ResponseWriter, r *http.Request) { jobs <- r.URL.Path }
