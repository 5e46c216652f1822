package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/extra/redisotel/v9"
	"github.com/redis/go-redis/v9"

	"github.com/otelhealth/otelhealth/telemetry"
)

// cache keeps recent results. Without it the service is slower, but it works, so the check only
// warns.
type cache struct {
	store store
	down  atomic.Bool
}

// store is the cache's storage: Redis, or the memory of this process.
type store interface {
	get(ctx context.Context, key string) (value string, found bool, err error)
	set(ctx context.Context, key, value string) error
	ping(ctx context.Context) error
	Close() error
}

const cacheTime = time.Minute

func openCache(url string, tel *telemetry.Telemetry) (*cache, error) {
	if url == "" {
		return &cache{store: &memory{values: map[string]string{}}}, nil
	}
	opt, err := redis.ParseURL(url)
	if err != nil {
		return nil, errors.New("CACHE_URL: not a URL like redis://localhost:6379/0") // err repeats the URL, and the URL may hold a password
	}
	opt.DialTimeout, opt.ReadTimeout, opt.WriteTimeout = time.Second, time.Second, time.Second
	redis.SetLogger(silence{}) // the check reports what is wrong, once
	client := redis.NewClient(opt)
	if err := errors.Join(
		redisotel.InstrumentTracing(client, redisotel.WithTracerProvider(tel.TracerProvider), redisotel.WithDBStatement(false)),
		redisotel.InstrumentMetrics(client, redisotel.WithMeterProvider(tel.MeterProvider), redisotel.WithPoolName("cache")),
	); err != nil {
		return nil, errors.Join(fmt.Errorf("CACHE_URL: %w", err), client.Close())
	}
	return &cache{store: remote{client}}, nil
}

func (c *cache) up() error {
	if c.down.Load() {
		return errFault("cache-down")
	}
	return nil
}

func (c *cache) get(ctx context.Context, key string) (string, bool) {
	if c.up() != nil {
		return "", false
	}
	v, found, err := c.store.get(ctx, key)
	return v, found && err == nil // on an error this is a miss; the check reports the error
}

func (c *cache) set(ctx context.Context, key, value string) {
	if c.up() == nil {
		_ = c.store.set(ctx, key, value) // the check reports the error
	}
}

func (c *cache) ping(ctx context.Context) error {
	if err := c.up(); err != nil {
		return err
	}
	return c.store.ping(ctx)
}

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

type remote struct{ *redis.Client }

func (r remote) get(ctx context.Context, key string) (string, bool, error) {
	v, err := r.Get(ctx, key).Result()
	if errors.Is(err, redis.Nil) {
		return "", false, nil
	}
	return v, err == nil, err
}

func (r remote) set(ctx context.Context, key, value string) error {
	return r.Set(ctx, key, value, cacheTime).Err()
}

func (r remote) ping(ctx context.Context) error { return r.Ping(ctx).Err() }

// memory holds the newest results. When it is full, it drops them all.
type memory struct {
	mu     sync.Mutex
	values map[string]string
}

const maxMemory = 1000

func (m *memory) get(_ context.Context, key string) (string, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.values[key]
	return v, ok, nil
}

func (m *memory) set(_ context.Context, key, value string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.values) >= maxMemory {
		clear(m.values)
	}
	m.values[key] = value
	return nil
}

func (m *memory) ping(context.Context) error { return nil }
func (m *memory) Close() error               { return nil }
