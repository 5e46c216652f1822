package suggest

import "math"

// confidence is the probability with which a goal is kept.
const confidence = .9

// Upper returns the upper bound of the mean of a Poisson count: with a higher mean, a count this low would have
// a chance of at most one in ten. The count itself is no bound: if a limit is chosen because it had one warning
// a week, it has more in the next week in a third of all cases.
func Upper(count int) float64 {
	low, high := float64(count), float64(count)+20+4*math.Sqrt(float64(count))
	for range 60 {
		mean := (low + high) / 2
		if atMost(count, mean) > 1-confidence {
			low = mean
		} else {
			high = mean
		}
	}
	return high
}

// atMost is the chance of at most n events, if the mean is known.
func atMost(n int, mean float64) float64 {
	sum := 0.0
	for k := range n + 1 {
		l, _ := math.Lgamma(float64(k + 1))
		sum += math.Exp(float64(k)*math.Log(mean) - mean - l)
	}
	return sum
}
