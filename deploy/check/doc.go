// Package check tests the demo's deployment files. It needs no container engine and no cluster,
// because the machines that run the tests have neither.
package check
