// Package check tests what deploys the demo, without an engine or a cluster: neither
// runs where the tests do.
package check
