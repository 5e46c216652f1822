// Package pager simulates a fleet before Prometheus' own storage and rules, with the routes and
// inhibitions of the shipped Alertmanager configuration. Its test writes docs/alerts.md: what people
// on call hear, and when.
package pager
