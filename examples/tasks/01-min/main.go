package main

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"net/http"
	"os"

	_ "github.com/otelhealth/otelhealth/examples/internal/faultdb"
	"github.com/otelhealth/otelhealth/healthcheck"
)

func main() {
	db, err := sql.Open("faultdb", os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	health := healthcheck.New(healthcheck.Config{Checks: []healthcheck.Check{{Name: "database", Func: db.PingContext}}})
	if err := health.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/", app)
	log.Fatal(http.ListenAndServe(os.Getenv("ADDR"), health.Wrap(http.DefaultServeMux)))
}

func app(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "orders") }
