package blackbox

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestPlanned: failures on purpose leave no record.
func TestPlanned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, t.TempDir())
		r.wait(5 * time.Second)
		lift, err := r.health.Maintain("upgrade", time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		r.wait(time.Minute)
		lift()
		r.wait(time.Minute)
		r.health.Stop()
		r.wait(time.Minute)
		r.records(0)
		r.stop()
	})
}

// TestFlapping: a service that flaps for hours writes few records, and the first one stays.
func TestFlapping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, t.TempDir())
		r.wait(5 * time.Second)
		first := ""
		for n := range 3 * 30 {
			r.fail(errSecret)
			r.wait(time.Minute)
			if n == 0 {
				first = mustRecords(t, r.box)[0].Name
			}
			r.fail(nil)
			r.wait(time.Minute)
		}
		all := mustRecords(t, r.box)
		if len(all) > 10 || all[len(all)-1].Name != first {
			t.Errorf("%d records: %v; the first was %s", len(all), all, first)
		}
		if n := strings.Count(r.log.String(), "health.blackbox.written"); n > 8 {
			t.Errorf("%d records in three hours", n)
		}
		r.stop()
	})
}

// TestNeverReady: an instance that has never been ready writes a record after five minutes.
func TestNeverReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startWith(t, t.TempDir(), errSecret)
		r.wait(4 * time.Minute)
		r.records(0)
		r.wait(2 * time.Minute)
		if text := r.records(1)[0]; !strings.HasPrefix(text, "readiness fail since ") {
			t.Errorf("%.200s", text)
		}
		r.stop()
	})
}

// TestAfterMaintenance: a failure that began in maintenance and outlasts it has a record.
func TestAfterMaintenance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, t.TempDir())
		r.wait(5 * time.Second)
		lift, err := r.health.Maintain("upgrade", time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		r.fail(errSecret)
		r.wait(5 * time.Minute)
		r.records(0)
		lift()
		r.wait(5 * time.Second)
		if text := r.records(1)[0]; !strings.Contains(text, ": database: ") {
			t.Errorf("%.200s", text)
		}
		r.stop()
	})
}

// TestSecondFailure: a failure soon after a record gets its own when the gap is over, or at the end.
func TestSecondFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, t.TempDir())
		r.wait(5 * time.Second)
		flap := func() {
			r.fail(nil)
			r.wait(20 * time.Second)
			r.fail(errSecret)
			r.wait(15 * time.Second)
		}
		flap()
		r.records(1)
		flap()
		r.records(1)
		r.wait(time.Minute)
		r.records(2)
		flap()
		r.records(2)
		r.end()
		r.wait(time.Second)
		r.records(3)
		r.stop()
	})
}
