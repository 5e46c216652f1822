package healthcheck

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// shutdownLimit is how long requests in flight get to finish. net/http gives a
// connection that has sent nothing yet 5 s; the limit must not cut in before.
const shutdownLimit = 6 * time.Second

// ListenAndServe listens on srv.Addr and serves as [Monitor.Serve] does.
func (m *Monitor) ListenAndServe(srv *http.Server, drain time.Duration) error {
	l, err := net.Listen("tcp", cmp.Or(srv.Addr, ":http"))
	if err != nil {
		m.Stop()
		return fmt.Errorf("healthcheck: %w", err)
	}
	return m.Serve(srv, l, drain)
}

// Serve serves until the context given to [Monitor.Start] ends, then takes its
// leave: /ready answers 503 at once; requests are served for the drain delay,
// while load balancers notice; requests in flight get 6 s more; the Monitor
// stops. It returns nil after an orderly end.
//
// drain should cover the time in which Kubernetes takes the endpoint away: 5 to
// 15 seconds, together with the 6 s well under terminationGracePeriodSeconds.
func (m *Monitor) Serve(srv *http.Server, l net.Listener, drain time.Duration) error {
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		m.Stop()
		return err
	case <-m.ended:
	}
	wait := time.NewTimer(drain)
	defer wait.Stop()
	select {
	case err := <-failed:
		m.Stop()
		return err
	case <-wait.C:
	}
	ctx, cancel := context.WithTimeout(context.Background(), shutdownLimit)
	defer cancel()
	err := srv.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("healthcheck: requests in flight were cut off after %v: %w", shutdownLimit, errors.Join(err, srv.Close()))
	}
	m.Stop()
	return err
}
