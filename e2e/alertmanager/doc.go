// Package alertmanager reads the shipped Alertmanager configuration with Alertmanager's own code.
package alertmanager
