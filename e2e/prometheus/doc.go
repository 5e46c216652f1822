// Package prometheus is empty. Its module pins the version of Prometheus that package servers
// builds. go.mod lists Prometheus as a tool, because Go can't import a main package.
package prometheus
