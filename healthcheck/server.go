package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"

	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
	"github.com/otelhealth/otelhealth/healthcheck/internal/guard"
)

// ListenAndServe listens on the Addr of every server and serves as [Monitor.Serve] does. The
// servers shut down concurrently, except the last one of several: it shuts down after the others. Make
// it the operators' server. If it can't listen on an address, ListenAndServe closes the listeners, stops
// the Monitor and returns the error.
func (m *Monitor) ListenAndServe(servers ...*http.Server) error {
	if err := m.checkServers(servers); err != nil {
		return fmt.Errorf("healthcheck: ListenAndServe: %w", err)
	}
	var listeners []net.Listener
	for _, srv := range servers {
		addr := srv.Addr
		if addr == "" {
			addr = ":http"
			if srv.TLSConfig != nil {
				addr = ":https"
			}
		}
		l, err := net.Listen("tcp", addr)
		if err != nil {
			closeAll(listeners)
			m.Stop()
			return fmt.Errorf("healthcheck: %w", err)
		}
		listeners = append(listeners, l)
	}
	return m.serveAll(servers, listeners)
}

// Serve serves until the context given to [Monitor.Start] ends. Then it drains. /ready answers 503
// at once. Requests are served for Config.DrainDelay more, until load balancers have noticed. Then
// requests in flight get Config.ShutdownTimeout, and the Monitor stops. Serve returns nil after an
// orderly end, so write
//
//	if err := health.Serve(srv, l); err != nil { log.Fatal(err) }
//
// DrainDelay should cover the time until Kubernetes has removed the endpoint, usually 5 to 15
// seconds. DrainDelay and ShutdownTimeout together must be shorter than
// terminationGracePeriodSeconds.
//
// While readiness fails, every answer closes its connection, so that the client goes to another
// instance. For this Serve replaces srv.Handler by a handler around it, unless it was made by
// [Monitor.Wrap].
//
// A server whose TLSConfig has certificates serves TLS. If the Monitor has not started, Serve closes
// l and returns an error at once. If the server fails, Serve stops the Monitor and returns the
// server's error. If you call srv.Shutdown yourself, Serve stops the Monitor and returns nil.
func (m *Monitor) Serve(srv *http.Server, l net.Listener) error {
	return m.serveAll([]*http.Server{srv}, []net.Listener{l})
}

func (m *Monitor) serveAll(servers []*http.Server, listeners []net.Listener) error {
	err := m.checkServers(servers)
	if err == nil && slices.Contains(listeners, nil) {
		err = &cfgerrors.Error{Field: "listener", Problem: "is nil"}
	}
	if err != nil {
		closeAll(listeners)
		return fmt.Errorf("healthcheck: Serve: %w", err)
	}
	defer m.Stop()
	failed := make(chan error, len(servers))
	for n, srv := range servers {
		srv.Handler = m.closing(srv.Handler)
		go func() {
			failed <- guard.Call(context.Background(), func(context.Context) error { // a listener or ConnContext may panic
				if secure(srv) {
					return srv.ServeTLS(listeners[n], "", "")
				}
				return srv.Serve(listeners[n])
			})
		}()
	}
	select {
	case err := <-failed:
		if errors.Is(err, http.ErrServerClosed) { // somebody has shut it down
			break
		}
		for _, srv := range servers {
			_ = srv.Close() // the first error is returned
		}
		return err
	case <-m.drained:
	}
	return m.shutdown(servers)
}

// checkServers returns why the servers can't be served; nil if they can.
func (m *Monitor) checkServers(servers []*http.Server) error {
	m.mu.Lock()
	phase := m.phase
	m.mu.Unlock()
	switch {
	case phase == stopped:
		return cfgerrors.ErrStopped
	case phase != started:
		return fmt.Errorf("%w: write health.Start(ctx), or telemetry.Start with Config.Health, before", cfgerrors.ErrNotStarted)
	case len(servers) == 0:
		return &cfgerrors.Error{Field: "servers", Problem: "is empty: pass an http.Server"}
	}
	for _, srv := range servers {
		if srv == nil {
			return &cfgerrors.Error{Field: "servers", Problem: "has a nil one"}
		}
		if srv.TLSConfig != nil && !secure(srv) {
			return &cfgerrors.Error{Field: "TLSConfig", Problem: fmt.Sprintf("the server of %q has no certificates in it: "+
				"set Certificates or GetCertificate, or call its ListenAndServeTLS and shut it down after Drained", srv.Addr)}
		}
	}
	return nil
}

// secure reports whether a server has a certificate for TLS.
func secure(srv *http.Server) bool {
	c := srv.TLSConfig
	return c != nil && (len(c.Certificates) > 0 || c.GetCertificate != nil || c.GetConfigForClient != nil)
}

// shutdown shuts the servers down concurrently, the last one after the others.
func (m *Monitor) shutdown(servers []*http.Server) error {
	limit := m.config.ShutdownTimeout
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	last := len(servers) - 1
	errs := make([]error, len(servers))
	end := func(n int) {
		errs[n] = servers[n].Shutdown(ctx)
		if errors.Is(errs[n], context.DeadlineExceeded) {
			errs[n] = fmt.Errorf("healthcheck: requests in flight were cut off after %v: %w", limit, errors.Join(errs[n], servers[n].Close()))
		}
	}
	var others sync.WaitGroup
	for n := range last {
		others.Go(func() { end(n) })
	}
	others.Wait()
	end(last)
	return errors.Join(errs...)
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		if l == nil {
			continue
		}
		_ = l.Close() // nothing was accepted
	}
}
