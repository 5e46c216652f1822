package gates

import (
	_ "unsafe" // for go:linkname

	"github.com/argoproj/argo-rollouts/analysis"
	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/fluxcd/flagger/pkg/controller"
)

// These are the two steps that the controllers take by their own clocks. They are not exported. The
// tests take them at their own times, so half an hour of a rollout takes a second, and every run is
// the same.

//go:linkname reconcileAnalysisRun github.com/argoproj/argo-rollouts/analysis.(*Controller).reconcileAnalysisRun
func reconcileAnalysisRun(c *analysis.Controller, run *v1alpha1.AnalysisRun) *v1alpha1.AnalysisRun

//go:linkname advanceCanary github.com/fluxcd/flagger/pkg/controller.(*Controller).advanceCanary
func advanceCanary(c *controller.Controller, name, namespace string)
