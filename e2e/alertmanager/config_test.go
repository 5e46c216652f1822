package alertmanager

import (
	"testing"

	"github.com/prometheus/alertmanager/config"
)

// TestConfig makes the checks of amtool check-config.
func TestConfig(t *testing.T) {
	for _, file := range []string{"../../grafana/alerts/alertmanager/alertmanager.yaml", "../../grafana/alerts/mimir/alertmanager/alertmanager.yaml"} {
		c, err := config.LoadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if len(c.InhibitRules) == 0 {
			t.Errorf("%s has no inhibit rules", file)
		}
	}
}
