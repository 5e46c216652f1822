package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestOperators: what operators do while the service runs, by the ConfigMap and by the admin port. No
// process is restarted.
func TestOperators(t *testing.T) {
	needs(t)
	t.Parallel()
	pods := demo(t, "operate")
	t.Run("break glass", func(t *testing.T) { breakGlass(t, pods[0]) })
	t.Run("maintenance of one pod", func(t *testing.T) { onePod(t, pods[1]) })
	t.Run("maintenance of all", maintenance)
	for _, p := range demo(t, "operate") {
		if p.restarts() != 0 {
			t.Errorf("%s was restarted", p.Metadata.Name)
		}
	}
}

// operators sets entries of the ConfigMap, or removes them with null.
func operators(t *testing.T, entry, value string) {
	t.Helper()
	must(t, "-n", "operate", "patch", "configmap", "demo-operators", "--type=merge", "-p", fmt.Sprintf(`{"data":{%q:%s}}`, entry, value))
}

// breakGlass: the database of one pod is down. An override lets this pod back in while the fault goes
// on, and changes nothing for the others, because their check passes. Without it the pod leaves again.
func breakGlass(t *testing.T, p pod) {
	fault(t, "operate", p, "database-down")
	leaves(t, "operate", p)
	began := time.Now()
	operators(t, "overrides", `"database=warn"`)
	returns(t, "operate", p)
	in := time.Since(began)
	for _, other := range demo(t, "operate") {
		want := "pass"
		if other.Metadata.Name == p.Metadata.Name {
			want = "warn"
		}
		wait(t, other.Metadata.Name+" has the override", func() error { // the kubelet updates each pod for itself
			status, body, err := page(other, 8000, "/ready?verbose")
			if err != nil || status != http.StatusOK || !strings.HasPrefix(body, `{"status":"`+want) || !strings.Contains(body, `"override":"warn"`) {
				return fmt.Errorf("want %s with the override, got %d %v %s", want, status, err, body)
			}
			return nil
		})
	}
	began = time.Now()
	operators(t, "overrides", "null")
	leaves(t, "operate", p)
	out := time.Since(began)
	fault(t, "operate", p, "-off", "database-down")
	returns(t, "operate", p)
	t.Logf("the pod was back %v after the patch, with the fault on, and out again %v after the override's end", in.Round(100*time.Millisecond), out.Round(100*time.Millisecond))
}

// onePod: the admin port of one pod takes this pod out alone.
func onePod(t *testing.T, p pod) {
	put := func(method, body string) {
		t.Helper()
		req, err := http.NewRequest(method, "http://"+p.Status.PodIP+":8001/maintenance", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer tests")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode/100 != 2 {
			answer, _ := io.ReadAll(res.Body)
			t.Fatalf("%s /maintenance: %s %s", method, res.Status, answer)
		}
	}
	began := time.Now()
	put(http.MethodPut, fmt.Sprintf(`{"reason":"a look at one pod","until":%q}`, began.Add(time.Hour).UTC().Format(time.RFC3339)))
	leaves(t, "operate", p)
	out := time.Since(began)
	ready, err := cluster.endpoints("operate", "demo")
	if err != nil || len(ready) != 2 {
		t.Errorf("%d endpoints, %v; want the other two", len(ready), err)
	}
	began = time.Now()
	put(http.MethodDelete, "")
	returns(t, "operate", p)
	t.Logf("out after %v, and back %v after its end", out.Round(100*time.Millisecond), time.Since(began).Round(100*time.Millisecond))
}

// maintenance: the ConfigMap takes all pods out of the Service until the time in it.
func maintenance(t *testing.T) {
	end := time.Now().Add(75 * time.Second) // the kubelets of a busy machine see it in time
	began := time.Now()
	operators(t, "maintenance", fmt.Sprintf("%q", fmt.Sprintf(`{"reason":"upgrade","until":%q}`, end.UTC().Format(time.RFC3339))))
	wait(t, "no pod is an endpoint", func() error {
		ready, err := cluster.endpoints("operate", "demo")
		if err == nil && len(ready) != 0 {
			err = fmt.Errorf("%d endpoints", len(ready))
		}
		return err
	})
	out := time.Since(began)
	demo(t, "operate")
	back := time.Since(end)
	t.Logf("all out %v after the patch, and back %v after the end", out.Round(100*time.Millisecond), back.Round(100*time.Millisecond))
	if back < -time.Second {
		t.Errorf("back %v before the end", -back)
	}
}

// page asks one pod itself.
func page(p pod, port int, path string) (status int, body string, err error) {
	client := http.Client{Timeout: 10 * time.Second}
	res, err := client.Get(fmt.Sprintf("http://%s:%d%s", p.Status.PodIP, port, path))
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}
