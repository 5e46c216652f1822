package guard

// maxChain bounds the errors in an error, because Unwrap may return an error that was there before.
const maxChain = 64

// A chain is an error and the errors in it, in the order of errors.Is.
type chain []error

func chainOf(err error) (all chain) {
	var walk func(error)
	walk = func(err error) {
		if err == nil || len(all) >= maxChain {
			return
		}
		all = append(all, err)
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			walk(e.Unwrap())
		case interface{ Unwrap() []error }:
			for _, inner := range e.Unwrap() {
				if len(all) >= maxChain {
					return
				}
				walk(inner)
			}
		}
	}
	walk(err)
	return all
}

// Is is errors.Is, and ends even if Unwrap runs in a circle. Methods of the error may block.
func Is(err, target error) bool { return chainOf(err).is(target) }

// is is errors.Is for a comparable target.
func (all chain) is(target error) bool {
	for _, err := range all {
		if err == target {
			return true
		}
		if e, ok := err.(interface{ Is(error) bool }); ok && e.Is(target) {
			return true
		}
	}
	return false
}

// find is errors.AsType.
func find[E error](all chain) (found E, ok bool) {
	for _, err := range all {
		if e, ok := err.(E); ok {
			return e, true
		}
		if e, ok := err.(interface{ As(any) bool }); ok && e.As(&found) {
			return found, true
		}
	}
	return found, false
}
