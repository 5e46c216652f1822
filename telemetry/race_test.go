//go:build race

package telemetry

// raceDetector: the resident memory is several times as large.
const raceDetector = true
