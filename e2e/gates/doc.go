// Package gates tests the manifests of otelhealth generate with the code of the programs that read
// them: Argo Rollouts' analysis controller and Flagger's scheduler judge canaries from stories, over
// Prometheus' own engine, in a time of the test's own. Its module pins their versions.
package gates
