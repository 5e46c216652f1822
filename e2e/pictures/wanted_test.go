package main

// A wanted says what a query of a panel should give.
type wanted struct {
	why   string // nothing can be counted
	count func(l look) rows
	top   int               // only so many rows are shown: the greatest, or the least if below zero
	rank  func(l look) rows // by which they are chosen, if not by their own figures
	about func(l look) rows // the same from the pods' conditions, at the end and within a twentieth
}

const traces = "it asks Tempo for traces, and the scenes have none"

// figures are all queries of all dashboards: by dashboard, panel and letter.
var figures = map[string]map[string]wanted{
	"health-fleet":     fleetFigures,
	"health-service":   serviceFigures,
	"health-check":     checkFigures,
	"health-slo":       sloFigures,
	"health-telemetry": telemetryFigures,
}
