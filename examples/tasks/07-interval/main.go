package main

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	_ "github.com/otelhealth/otelhealth/examples/internal/faultdb"
	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/checks"
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
		Checks: []healthcheck.Check{
			{Name: "database", Func: db.PingContext},
			{Name: "certificate", Func: checks.CertificateValid(os.Getenv("API_ADDR"), 240*time.Hour), Interval: time.Hour, Timeout: 5 * time.Second},
		},
	})
	if err := health.Start(ctx); err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/", app)
	if err := health.ListenAndServe(&http.Server{Addr: os.Getenv("ADDR"), Handler: health.Wrap(http.DefaultServeMux)}); err != nil {
		log.Fatal(err)
	}
}

func app(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "orders") }
