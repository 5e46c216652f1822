// Package kubernetes tests the manifests with Kubernetes' own code: the checks of the API server,
// and the probes of the kubelet.
package kubernetes
