// Package kubernetes tests the manifests by Kubernetes' own code: what the API server
// accepts, and what the kubelet does with the probes.
package kubernetes
