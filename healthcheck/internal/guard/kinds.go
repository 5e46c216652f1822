package guard

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// maxVisits bounds a walk, because one error may be joined into many others.
const maxVisits = 1 << 10

// Kinds returns the types of an error and of all errors that errors.Join or fmt.Errorf joined in it.
// It calls no method of any other type, so it needs no deadline.
func Kinds(err error) string {
	var all []string
	visits := 0
	var walk func(error)
	walk = func(err error) {
		if visits++; visits > maxVisits {
			return
		}
		if t := reflect.TypeOf(err); t == joined || t == manyWrapped {
			for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
				walk(e)
			}
			return
		}
		name := cut(fmt.Sprintf("%T", err), maxClass)
		if f, ours := err.(*Fault); ours {
			name = f.Error()
		}
		if !slices.Contains(all, name) && len(all) < maxClasses {
			all = append(all, name)
		}
	}
	walk(err)
	return strings.Join(all, ", ")
}

var (
	joined      = reflect.TypeOf(errors.Join(errors.ErrUnsupported))
	manyWrapped = reflect.TypeOf(fmt.Errorf("%w %w", errors.ErrUnsupported, errors.ErrUnsupported))
)
