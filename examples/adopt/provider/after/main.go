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
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	_ "github.com/otelhealth/otelhealth/examples/internal/faultdb" // in place of a driver
	"github.com/otelhealth/otelhealth/examples/internal/orders"
	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/grpchealth"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
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
	calls := rule.Increase("rpc.server.call.duration")
	health := healthcheck.New(healthcheck.Config{
		Checks: []healthcheck.Check{{Name: "database", Func: db.PingContext}},
		Rules: []rule.Rule{
			{Name: "latency", Value: rule.Quantile(.99, "rpc.server.call.duration"), Fail: rule.Above(400 * time.Millisecond)},
			{Name: "errors", Value: rule.Ratio(calls.Where("rpc.response.status_code", "INTERNAL"), calls), Fail: rule.Above(.05)},
		},
	})
	reader := sdkmetric.NewPeriodicReader(exporter)
	provider := sdkmetric.NewMeterProvider(
		sdkmetric.WithReader(reader),
		sdkmetric.WithView(health.View()),
	)
	defer shutDown(provider)

	server := grpc.NewServer(grpc.StatsHandler(otelgrpc.NewServerHandler(
		otelgrpc.WithMeterProvider(provider),
		otelgrpc.WithFilter(filters.Not(filters.HealthCheck())),
	)))
	orders.RegisterServer(server, service{db})
	grpchealth.Register(server, health, "orders.Orders")
	if err := health.StartWith(ctx, healthcheck.Pipeline{Reader: reader, MeterProvider: provider}); err != nil {
		return err
	}
	defer health.Stop()

	l, err := net.Listen("tcp", os.Getenv("ADDR"))
	if err != nil {
		return err
	}
	log.Printf("orders: listening on %s", l.Addr())
	go func() {
		<-health.Drained()
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

// shutDown exports what is left.
func shutDown(provider *sdkmetric.MeterProvider) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if err := provider.Shutdown(ctx); err != nil {
		log.Print(err)
	}
}
