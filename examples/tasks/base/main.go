package main

import (
	"database/sql"
	"fmt"
	"log"
	"net/http"
	"os"

	_ "github.com/otelhealth/otelhealth/examples/internal/faultdb"
)

func main() {
	db, err := sql.Open("faultdb", os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	http.HandleFunc("/", app)
	log.Fatal(http.ListenAndServe(os.Getenv("ADDR"), nil))
}

func app(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "orders") }
