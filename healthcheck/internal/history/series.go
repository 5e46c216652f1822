package history

// A sample is the value of a series at one time.
type sample struct {
	t      int64 // Unix time in ms
	v      float64
	native *native // of a native histogram; nil for another series
}

// A series is the samples of one series in one answer, in order of time.
type series struct {
	labels  []label
	samples interface {
		next(*sample) (ok bool, err error)
	}
}

func (s *series) label(name string) string {
	for _, l := range s.labels {
		if l.name == name {
			return l.value
		}
	}
	return ""
}

// listed is the samples of a series that is decoded already.
type listed struct{ rest []sample }

func (l *listed) next(s *sample) (bool, error) {
	if len(l.rest) == 0 {
		return false, nil
	}
	*s, l.rest = l.rest[0], l.rest[1:]
	return true, nil
}
