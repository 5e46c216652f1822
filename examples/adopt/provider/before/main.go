// Command orders answers gRPC calls. Its metrics are OpenTelemetry's, with a MeterProvider of its
// own.
package main

import (
	"context"
	"database/sql"
	"log"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc/filters"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	_ "github.com/otelhealth/otelhealth/examples/internal/faultdb" // in place of a driver
	"github.com/otelhealth/otelhealth/examples/internal/orders"
)

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

	exporter, err := otlpmetrichttp.New(ctx)
	if err != nil {
		return err
	}
	provider := sdkmetric.NewMeterProvider(
		sdkmetric.WithReader(sdkmetric.NewPeriodicReader(exporter)),
	)
	defer shutDown(provider)

	server := grpc.NewServer(grpc.StatsHandler(otelgrpc.NewServerHandler(
		otelgrpc.WithMeterProvider(provider),
		otelgrpc.WithFilter(filters.Not(filters.HealthCheck())),
	)))
	orders.RegisterServer(server, service{db})
	probes := health.NewServer()
	healthpb.RegisterHealthServer(server, probes)
	go watch(ctx, db, probes)

	l, err := net.Listen("tcp", os.Getenv("ADDR"))
	if err != nil {
		return err
	}
	log.Printf("orders: listening on %s", l.Addr())
	go func() {
		<-ctx.Done()
		server.GracefulStop() // waits for the calls in flight
	}()
	return server.Serve(l) // returns when GracefulStop has returned
}

type service struct{ db *sql.DB }

func (s service) Get(ctx context.Context, id *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
	var state string
	if err := s.db.QueryRowContext(ctx, "SELECT state FROM orders WHERE id = $1", id.Value).Scan(&state); err != nil {
		return nil, status.Error(codes.Internal, "no order")
	}
	return wrapperspb.String(state), nil
}

// watch asks the database every second.
func watch(ctx context.Context, db *sql.DB, probes *health.Server) {
	for ctx.Err() == nil {
		pinging, cancel := context.WithTimeout(ctx, 2*time.Second)
		says := healthpb.HealthCheckResponse_SERVING
		if err := db.PingContext(pinging); err != nil {
			says = healthpb.HealthCheckResponse_NOT_SERVING
		}
		cancel()
		probes.SetServingStatus("", says)
		probes.SetServingStatus("orders.Orders", says)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
	probes.Shutdown()
}

// shutDown exports what is left.
func shutDown(provider *sdkmetric.MeterProvider) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if err := provider.Shutdown(ctx); err != nil {
		log.Print(err)
	}
}
