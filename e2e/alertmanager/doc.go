// Package alertmanager reads the Alertmanager configuration that is shipped, with
// Alertmanager's own code.
package alertmanager
