package gates

import (
	"context"
	"testing"
	"time"

	flaggerv1 "github.com/fluxcd/flagger/pkg/apis/flagger/v1beta1"
	"github.com/fluxcd/flagger/pkg/canary"
	flaggerfake "github.com/fluxcd/flagger/pkg/client/clientset/versioned/fake"
	flaggerinformers "github.com/fluxcd/flagger/pkg/client/informers/externalversions"
	"github.com/fluxcd/flagger/pkg/controller"
	"github.com/fluxcd/flagger/pkg/metrics/observers"
	"github.com/fluxcd/flagger/pkg/notifier"
	"github.com/fluxcd/flagger/pkg/router"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

// flaggerCluster is Flagger with a Deployment, over clients that only keep objects.
type flaggerCluster struct {
	t       *testing.T
	kube    *fake.Clientset
	flagger *flaggerfake.Clientset
	ctrl    *controller.Controller
}

func flaggerOf(t *testing.T, c *flaggerv1.Canary, templates []*flaggerv1.MetricTemplate) *flaggerCluster {
	t.Helper()
	prometheus.DefaultRegisterer = prometheus.NewRegistry() // each controller registers its metrics
	log := zap.NewNop().Sugar()
	c.Spec.Provider = flaggerv1.IstioProvider
	f := &flaggerCluster{t: t, flagger: flaggerfake.NewSimpleClientset(c), kube: fake.NewSimpleClientset(&appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "orders", Namespace: namespace},
		Spec: appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "orders"}}, Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "orders"}},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "orders", Image: "orders:1"}}}}},
	})}
	factory := flaggerinformers.NewSharedInformerFactory(f.flagger, 0).Flagger().V1beta1()
	for _, m := range templates {
		if err := factory.MetricTemplates().Informer().GetIndexer().Add(m); err != nil {
			t.Fatal(err)
		}
	}
	watched, err := observers.NewFactory(templates[0].Spec.Provider.Address)
	if err != nil {
		t.Fatal(err)
	}
	tracker := &canary.ConfigTracker{Logger: log, KubeClient: f.kube, FlaggerClient: f.flagger}
	f.ctrl = controller.NewController(f.kube, nil, f.flagger,
		controller.Informers{CanaryInformer: factory.Canaries(), MetricInformer: factory.MetricTemplates(), AlertInformer: factory.AlertProviders()},
		time.Second, log, &notifier.NopNotifier{}, canary.NewFactory(f.kube, f.flagger, nil, tracker, []string{"app"}, []string{""}, log),
		router.NewFactory(nil, f.kube, f.flagger, nil, "", "", log, f.flagger, true), watched, flaggerv1.IstioProvider, "", "", "", false, nil)
	return f
}

// advance lets Flagger take its next step, once all pods are ready.
func (f *flaggerCluster) advance() flaggerv1.CanaryStatus {
	f.t.Helper()
	ctx, apps := context.Background(), f.kube.AppsV1().Deployments(namespace)
	list, err := apps.List(ctx, metav1.ListOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	for _, d := range list.Items {
		n := int32(1)
		if d.Spec.Replicas != nil {
			n = *d.Spec.Replicas
		}
		d.Status = appsv1.DeploymentStatus{Replicas: n, UpdatedReplicas: n, ReadyReplicas: n, AvailableReplicas: n}
		if _, err := apps.Update(ctx, &d, metav1.UpdateOptions{}); err != nil {
			f.t.Fatal(err)
		}
	}
	advanceCanary(f.ctrl, "orders", namespace)
	c, err := f.flagger.FlaggerV1beta1().Canaries(namespace).Get(ctx, "orders", metav1.GetOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	return c.Status
}

// release changes the Deployment.
func (f *flaggerCluster) release() {
	f.t.Helper()
	ctx, apps := context.Background(), f.kube.AppsV1().Deployments(namespace)
	d, err := apps.Get(ctx, "orders", metav1.GetOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	d.Spec.Template.Spec.Containers[0].Image = "orders:2"
	if _, err := apps.Update(ctx, d, metav1.UpdateOptions{}); err != nil {
		f.t.Fatal(err)
	}
}

// flagger lets Flagger judge a story, from its canary's start on. Flagger routes the traffic, so the
// canary has none before the first step.
func flagger(t *testing.T, s *server, manifests [][]byte, pods []*exporter) (outcome string, took time.Duration) {
	t.Helper()
	var templates []*flaggerv1.MetricTemplate
	for _, text := range manifests[:len(manifests)-1] {
		templates = append(templates, read[flaggerv1.MetricTemplate](t, text))
	}
	c := read[flaggerv1.Canary](t, manifests[len(manifests)-1])
	f := flaggerOf(t, c, templates)
	for n := 0; f.advance().Phase != flaggerv1.CanaryPhaseInitialized; n++ {
		if n == 5 {
			t.Fatal("Flagger does not get ready")
		}
	}
	f.release()
	weight := 0
	for at := time.Duration(0); at < after; at += c.GetAnalysisInterval() {
		s.db.until(t, pods, at, weight > 0, same)
		s.set(at)
		status := f.advance()
		weight = status.CanaryWeight
		switch status.Phase {
		case flaggerv1.CanaryPhaseSucceeded:
			return promoted, at
		case flaggerv1.CanaryPhaseFailed:
			return rolledBack, at
		case flaggerv1.CanaryPhaseProgressing, flaggerv1.CanaryPhaseWaitingPromotion, flaggerv1.CanaryPhasePromoting, flaggerv1.CanaryPhaseFinalising:
		default:
			t.Fatalf("phase %s", status.Phase)
		}
	}
	return held, after
}
