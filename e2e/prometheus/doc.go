// Package prometheus is empty: its module pins Prometheus, which package servers
// builds from there. That is not a file here, since upstream's main package can't be
// imported; go.mod lists it as a tool.
package prometheus
