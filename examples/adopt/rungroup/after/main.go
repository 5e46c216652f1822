// Command orders has two listeners and two workers in a run group. The public listener has TLS. The
// other one is for operators.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	_ "github.com/otelhealth/otelhealth/examples/internal/faultdb" // in place of a driver
	"github.com/otelhealth/otelhealth/healthcheck"
)

type service struct {
	db       *sql.DB
	invoices chan string // identifiers of orders
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	db, err := sql.Open("faultdb", os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer db.Close()
	s := &service{db: db, invoices: make(chan string, 100)}
	group, ctx := errgroup.WithContext(ctx) // ctx also ends if a member fails

	health := healthcheck.New(healthcheck.Config{
		Checks:       []healthcheck.Check{{Name: "database", Func: db.PingContext}},
		LivenessPath: "/livez", ReadinessPath: "/readyz",
		Terse: true, // the public listener answers the status alone
	})
	if err := health.Start(ctx); err != nil {
		return err
	}
	defer health.Stop()
	beat := health.Heartbeat("invoices", 10*time.Second)

	api := http.NewServeMux()
	api.HandleFunc("GET /orders/{id}", s.show)
	api.HandleFunc("POST /orders/{id}/invoice", s.invoice)
	operators := http.NewServeMux()
	operators.Handle("GET /health", health.DetailsHandler())
	operators.HandleFunc("GET /queue", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, len(s.invoices)) })

	public := &http.Server{Handler: health.Wrap(api), ReadHeaderTimeout: 5 * time.Second}
	group.Go(func() error {
		l, err := net.Listen("tcp", os.Getenv("ADDR"))
		if err != nil {
			return err
		}
		log.Printf("public: listening on %s", l.Addr())
		return served(public.ServeTLS(l, os.Getenv("TLS_CERT"), os.Getenv("TLS_KEY")))
	})
	admin := &http.Server{Handler: operators, ReadHeaderTimeout: 5 * time.Second}
	group.Go(func() error {
		l, err := net.Listen("tcp", os.Getenv("ADMIN_ADDR"))
		if err != nil {
			return err
		}
		log.Printf("admin: listening on %s", l.Addr())
		return served(admin.Serve(l))
	})
	for range 2 {
		group.Go(func() error {
			for id := range s.invoices {
				beat.Begin()
				s.send(id)
				beat.End()
			}
			return nil
		})
	}
	group.Go(func() error {
		<-health.Drained()
		ending, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err := public.Shutdown(ending) // waits for the requests in flight
		close(s.invoices)              // the workers send what is left, and end
		return errors.Join(err, admin.Shutdown(ending))
	})
	return group.Wait()
}

// served returns nil after an orderly end of a server.
func served(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func (s *service) show(w http.ResponseWriter, r *http.Request) {
	var state string
	if err := s.db.QueryRowContext(r.Context(), "SELECT state FROM orders WHERE id = $1", r.PathValue("id")).Scan(&state); err != nil {
		http.Error(w, "no order", http.StatusInternalServerError)
		return
	}
	fmt.Fprintf(w, "order %s: %s\n", r.PathValue("id"), state)
}

func (s *service) invoice(w http.ResponseWriter, r *http.Request) {
	select {
	case s.invoices <- r.PathValue("id"):
		w.WriteHeader(http.StatusAccepted)
	default:
		http.Error(w, "the queue is full", http.StatusServiceUnavailable)
	}
}

// send sends the invoice of an order.
func (s *service) send(id string) {
	var state string
	if err := s.db.QueryRowContext(context.Background(), "UPDATE orders SET invoiced = true WHERE id = $1 RETURNING state", id).Scan(&state); err != nil {
		log.Printf("invoice of order %s: %v", id, err)
		return
	}
	log.Printf("invoice of order %s: sent", id)
}
