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

	_ "github.com/otelhealth/otelhealth/examples/internal/faultdb"
	"github.com/otelhealth/otelhealth/healthcheck"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	db, err := sql.Open("faultdb", os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	health := healthcheck.New(healthcheck.Config{})
	if err := health.Start(ctx); err != nil {
		log.Fatal(err)
	}
	remove, err := health.Add(healthcheck.Check{Name: "tenant acme", Func: db.PingContext, OnFail: healthcheck.WarnOnly})
	if err != nil {
		log.Fatal(err)
	}
	context.AfterFunc(ctx, remove)
	http.HandleFunc("/", app)
	if err := health.ListenAndServe(&http.Server{Addr: os.Getenv("ADDR"), Handler: health.Wrap(http.DefaultServeMux)}); err != nil {
		log.Fatal(err)
	}
}

func app(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "orders") }
