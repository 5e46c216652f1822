// Command gin is a service on gin. Its database decides its readiness, and rules on its own requests warn.
//
// otelgin works, too, and the rule on http.server.request.duration stays the same. But it counts a
// panic only if gin.Recovery comes after it, and it does not count requests in flight.
package main

import (
	"context"
	"database/sql"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"
	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/telemetry"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", "localhost:8000")
	if err != nil {
		log.Fatal(err)
	}
	if err := serve(ctx, l, db, 10*time.Second); err != nil {
		log.Fatal(err)
	}
}

// serve serves until ctx ends. Then /ready answers 503, and the server accepts requests for the
// drain delay.
func serve(ctx context.Context, l net.Listener, db *sql.DB, drain time.Duration) error {
	const duration = "http.server.request.duration"
	requests := rule.Increase(duration)
	health := healthcheck.New(healthcheck.Config{
		Checks:     []healthcheck.Check{{Name: "database", Func: db.PingContext}},
		DrainDelay: drain,
		Rules: []rule.Rule{
			{Name: "latency", Value: rule.Quantile(.99, duration), Fail: rule.Above(500 * time.Millisecond)},
			{Name: "errors", Value: rule.Ratio(requests.Where("http.response.status_code", "500"), requests), Fail: rule.Above(.05)},
			{Name: "request-age", Value: rule.Last("http.server.oldest_request.age"), Fail: rule.Above(10 * time.Second)}, // duration has only requests that have ended
		},
	})
	tel, err := telemetry.Start(ctx, telemetry.Config{ServiceName: "orders", Health: health})
	if err != nil {
		return err
	}
	defer tel.Close() // exports the final state

	app := gin.New() // no gin.Recovery, because tel.Instrument answers a panic with 500 and counts it
	app.Use(route)
	app.GET("/orders/:id", func(c *gin.Context) {
		var state string
		if err := db.QueryRowContext(c.Request.Context(), "SELECT state FROM orders WHERE id = $1", c.Param("id")).Scan(&state); err != nil {
			c.String(http.StatusInternalServerError, "no order")
			return
		}
		c.String(http.StatusOK, "order %s: %s", c.Param("id"), state)
	})
	handler := tel.Instrument(app)

	mux := http.NewServeMux()
	mux.Handle("/", handler)
	mux.Handle("GET /metrics", tel.MetricsHandler())
	// Outside of tel.Instrument, so probes don't count as requests.
	return health.Serve(&http.Server{Handler: health.Wrap(mux), ReadHeaderTimeout: 5 * time.Second}, l)
}

// route sets gin's pattern on the request of tel.Instrument, for http.route. It comes first, because
// other middleware may copy the request.
func route(c *gin.Context) {
	c.Request.Pattern = c.FullPath()
	c.Next()
}
