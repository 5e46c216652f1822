// Command grpcserver is a gRPC server. Its database decides its readiness, and rules on its own calls warn.
package main

import (
	"context"
	"database/sql"
	"errors"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/otelhealth/otelhealth/examples/internal/orders"
	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/grpchealth"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/telemetry"
	"github.com/otelhealth/otelhealth/telemetry/grpctelemetry"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	calls, err := net.Listen("tcp", "localhost:9000")
	if err != nil {
		log.Fatal(err)
	}
	admin, err := net.Listen("tcp", "localhost:8001")
	if err != nil {
		log.Fatal(err)
	}
	if err := serve(ctx, calls, admin, db, 10*time.Second); err != nil {
		log.Fatal(err)
	}
}

// serve serves calls until ctx ends. Then readiness is NOT_SERVING and 503, and the server accepts
// calls for the drain delay. The listener admin has the probes and /metrics.
func serve(ctx context.Context, calls, admin net.Listener, db *sql.DB, drain time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	const duration = "rpc.server.call.duration" // the name was rpc.server.duration before semantic conventions 1.39
	all := rule.Increase(duration)
	health := healthcheck.New(healthcheck.Config{
		Checks:     []healthcheck.Check{{Name: "database", Func: db.PingContext}},
		DrainDelay: drain,
		Rules: []rule.Rule{
			{Name: "latency", Value: rule.Quantile(.99, duration), Fail: rule.Above(500 * time.Millisecond)},
			{Name: "call-age", Value: rule.Last("rpc.server.oldest_call.age"), Fail: rule.Above(10 * time.Second)}, // duration has only calls that have ended
			{Name: "errors", Value: rule.Ratio(all.Where("rpc.response.status_code", "INTERNAL", "UNKNOWN", "DATA_LOSS"), all), Fail: rule.Above(.05)},
		},
	})
	tel, err := telemetry.Start(ctx, telemetry.Config{ServiceName: "orders", Health: health})
	if err != nil {
		return err
	}
	defer tel.Close() // exports the final state

	measured, err := grpctelemetry.NewServerHandler(grpctelemetry.Config{MeterProvider: tel.MeterProvider, TracerProvider: tel.TracerProvider})
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.StatsHandler(measured)) // probes don't count as calls
	orders.RegisterServer(server, service{db})
	grpchealth.Register(server, health)
	served := make(chan error, 1)
	go func() {
		defer cancel() // if the gRPC server fails, drain
		served <- server.Serve(calls)
	}()

	mux := http.NewServeMux()
	mux.Handle("GET /metrics", tel.MetricsHandler())
	// Serve returns after ctx ends and the drain delay is over. Watchers of health end then, too,
	// so GracefulStop does not wait for them.
	err = health.Serve(&http.Server{Handler: health.Wrap(mux), ReadHeaderTimeout: 5 * time.Second}, admin)
	defer time.AfterFunc(6*time.Second, server.Stop).Stop() // streams may never end
	server.GracefulStop()
	return errors.Join(err, <-served)
}

type service struct{ db *sql.DB }

func (s service) Get(ctx context.Context, id *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
	var state string
	if err := s.db.QueryRowContext(ctx, "SELECT state FROM orders WHERE id = $1", id.Value).Scan(&state); err != nil {
		return nil, status.Error(codes.Internal, "no order")
	}
	return wrapperspb.String(state), nil
}
