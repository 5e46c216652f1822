// Command pictures draws the dashboards' JSON over simulated fleets, with Prometheus' own storage,
// engine and rules. Its tests ask what panels show when there is nothing, and what they cost.
package main
