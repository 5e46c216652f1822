package main

import (
	"html/template"
	"net"
	"net/http"
)

// index answers / of both listeners: what runs here, and what to try.
var index = template.Must(template.New("index").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>otelhealth demo</title>
<style>:root { color-scheme: light dark; } body { font: 16px/1.6 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem; } code { font-size: .9em; }</style>
<h1>otelhealth demo</h1>
<p>A job service with a database, a cache, a queue and workers. It is judged by its own metrics.</p>
<h2>The service, http://{{.App}}</h2>
<ul>
<li><a href="http://{{.App}}/ready?verbose">/ready</a>: may it get traffic?</li>
<li><a href="http://{{.App}}/health">/health</a>: must it be restarted?</li>
<li><a href="http://{{.App}}/startup">/startup</a>: has it started?</li>
<li><code>curl -d '{"input":"x"}' http://{{.App}}/jobs</code> makes a job</li>
</ul>
<h2>For operators, http://{{.Admin}}</h2>
<ul>
<li><a href="http://{{.Admin}}/status">/status</a>: what is wrong, since when, why</li>
<li><a href="http://{{.Admin}}/metrics">/metrics</a>, <a href="http://{{.Admin}}/status.json">/status.json</a></li>
</ul>
{{if .Faults}}<h2>Break it</h2>
<p><code>go run ./cmd/demo fault paused-workers</code>: after ten seconds /ready is 503. With <code>-off</code> it is 200 again after a second.
All faults: {{.Faults}}.</p>
<p>With <code>-off</code> a fault ends at once. The answer follows later: after 1 s for paused-workers, 1 to 6 s for wedged-worker; after two successes of the check, 1 to 6 s, for
database-down, cache-down, hung-check and panicking-check; after 30 s, the window of the rules, for slow-requests, failing-requests and hung-requests.</p>
{{end}}</html>
`))

// indexOf is the index for the addresses of the listeners. faults are the names of the faults; empty if
// they can't be turned on.
func indexOf(app, admin net.Addr, faults string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = index.Execute(w, struct { // an error means that the client has gone
			App, Admin net.Addr
			Faults     string
		}{app, admin, faults})
	})
}
