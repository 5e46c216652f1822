// Command orders takes orders over HTTP and ships them in the background. Its metrics are
// client_golang's.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	_ "github.com/otelhealth/otelhealth/examples/internal/faultdb" // in place of a driver
)

var (
	duration = promauto.NewHistogramVec(prometheus.HistogramOpts{
		Name: "orders_request_duration_seconds", Help: "Duration of requests.", Buckets: prometheus.DefBuckets,
	}, []string{"route", "code"})
	shipments = promauto.NewCounterVec(prometheus.CounterOpts{
		Name: "orders_shipments_total", Help: "Orders that left the queue, by result.",
	}, []string{"result"})
)

type service struct {
	db    *sql.DB
	queue chan string // identifiers of orders
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
	s := &service{db: db, queue: make(chan string, 100)}
	promauto.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "orders_queued", Help: "Orders in the queue.",
	}, func() float64 { return float64(len(s.queue)) })

	var workers sync.WaitGroup
	for range 2 {
		workers.Go(s.ship)
	}

	mux := http.NewServeMux()
	mux.Handle("GET /orders/{id}", measured("/orders/{id}", s.show))
	mux.Handle("POST /orders/{id}", measured("/orders/{id}", s.take))
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.Handle("GET /metrics", authorized(promhttp.Handler()))

	l, err := net.Listen("tcp", os.Getenv("ADDR"))
	if err != nil {
		return err
	}
	log.Printf("orders: listening on %s", l.Addr())
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err = srv.Shutdown(ending) // waits for the requests in flight
	close(s.queue)
	workers.Wait() // ships what is in the queue
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

func (s *service) take(w http.ResponseWriter, r *http.Request) {
	select {
	case s.queue <- r.PathValue("id"):
		w.WriteHeader(http.StatusAccepted)
	default:
		http.Error(w, "the queue is full", http.StatusServiceUnavailable)
	}
}

// ship ships orders until the queue is closed.
func (s *service) ship() {
	for id := range s.queue {
		var state string
		err := s.db.QueryRowContext(context.Background(), "UPDATE orders SET state = 'shipped' WHERE id = $1 RETURNING state", id).Scan(&state)
		if err != nil {
			log.Printf("order %s: %v", id, err)
			shipments.WithLabelValues("error").Inc()
			continue
		}
		log.Printf("order %s: shipped", id)
		shipments.WithLabelValues("ok").Inc()
	}
}

// healthz asks the database in every probe.
func (s *service) healthz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if err := s.db.PingContext(ctx); err != nil {
		http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// measured measures the requests of a route.
func measured(route string, h http.HandlerFunc) http.Handler {
	return promhttp.InstrumentHandlerDuration(duration.MustCurryWith(prometheus.Labels{"route": route}), h)
}

// authorized asks for the token of the operators.
func authorized(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+os.Getenv("METRICS_TOKEN") {
			http.Error(w, "the token of the operators is missing", http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	})
}
