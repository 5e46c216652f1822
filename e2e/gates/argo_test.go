package gates

import (
	"io"
	"testing"
	"time"

	"github.com/argoproj/argo-rollouts/analysis"
	"github.com/argoproj/argo-rollouts/controller/metrics"
	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	argofake "github.com/argoproj/argo-rollouts/pkg/client/clientset/versioned/fake"
	informers "github.com/argoproj/argo-rollouts/pkg/client/informers/externalversions"
	analysisutil "github.com/argoproj/argo-rollouts/utils/analysis"
	"github.com/argoproj/argo-rollouts/utils/record"
	argotime "github.com/argoproj/argo-rollouts/utils/time"
	"github.com/sirupsen/logrus"
	kubeinformers "k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/util/workqueue"
)

func init() { logrus.SetOutput(io.Discard) }

// queue keeps when the controller wants to be asked again.
type queue struct {
	workqueue.RateLimitingInterface
	next time.Duration
}

func (q *queue) AddAfter(_ any, after time.Duration) { q.next = after }

// argoController is Argo's, with a queue that this test reads.
func argoController() (*analysis.Controller, *queue) {
	client, kube, q := argofake.NewSimpleClientset(), fake.NewSimpleClientset(), &queue{}
	own, k8s := informers.NewSharedInformerFactory(client, 0), kubeinformers.NewSharedInformerFactory(kube, 0)
	return analysis.NewController(analysis.ControllerConfig{
		KubeClientSet: kube, ArgoProjClientset: client, AnalysisRunInformer: own.Argoproj().V1alpha1().AnalysisRuns(),
		JobInformer: k8s.Batch().V1().Jobs(), JobPodsInformer: k8s.Core().V1().Pods(), AnalysisRunWorkQueue: q,
		MetricsServer: &metrics.MetricsServer{}, Recorder: record.NewFakeEventRecorder(),
	}), q
}

// argo lets Argo judge a job, from 30 s after its canary's start. It returns the outcome, and how
// long that took.
func argo(t *testing.T, s *server, template *v1alpha1.AnalysisTemplate, job string, late time.Duration) (outcome, why string, took time.Duration) {
	t.Helper()
	of := func(name, value string) v1alpha1.Argument { return v1alpha1.Argument{Name: name, Value: &value} }
	run, err := analysisutil.NewAnalysisRunFromTemplates([]*v1alpha1.AnalysisTemplate{template}, nil, []v1alpha1.Argument{
		of("job", job), of("prometheus", s.address(late)), of("canary-hash", canaryHash), of("stable-hash", stableHash)}, nil, nil, nil, nil, "run", "", namespace)
	if err != nil {
		t.Fatal(err)
	}
	at := 30 * time.Second
	argotime.SetNowTimeFunc(func() time.Time { return start.Add(at) })
	defer argotime.SetNowTimeFunc(time.Now)
	c, q := argoController()
	for begin := at; at < after; at += max(q.next, time.Second) {
		q.next = 0
		s.set(at)
		run = reconcileAnalysisRun(c, run)
		switch run.Status.Phase {
		case v1alpha1.AnalysisPhaseSuccessful:
			return promoted, "", at - begin
		case v1alpha1.AnalysisPhaseInconclusive:
			return held, blamed(run), at - begin
		case v1alpha1.AnalysisPhaseFailed, v1alpha1.AnalysisPhaseError:
			return rolledBack, blamed(run), at - begin
		}
	}
	t.Errorf("%s: no end", job)
	return "", "", 0
}

// blamed are the measures that decided.
func blamed(run *v1alpha1.AnalysisRun) (names string) {
	for _, m := range run.Status.MetricResults {
		if m.Phase == run.Status.Phase {
			names += " " + m.Name
		}
	}
	return names
}
