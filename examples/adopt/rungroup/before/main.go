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

	api := http.NewServeMux()
	api.HandleFunc("GET /orders/{id}", s.show)
	api.HandleFunc("POST /orders/{id}/invoice", s.invoice)
	api.HandleFunc("GET /livez", s.livez)
	api.HandleFunc("GET /readyz", s.readyz)
	operators := http.NewServeMux()
	operators.HandleFunc("GET /queue", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, len(s.invoices)) })

	public := &http.Server{Handler: api, ReadHeaderTimeout: 5 * time.Second}
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
				s.send(id)
			}
			return nil
		})
	}
	group.Go(func() error {
		<-ctx.Done()
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

func (s *service) livez(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }

// readyz asks the database in every probe.
func (s *service) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if err := s.db.PingContext(ctx); err != nil {
		http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}
