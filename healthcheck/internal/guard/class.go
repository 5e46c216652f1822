package guard

import (
	"context"
	"crypto/tls"
	"io/fs"
	"net"
	"reflect"
	"slices"
	"strings"

	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
)

// maxClasses bounds the error.type values of one check.
const maxClasses = 16

// maxClass is the length of a class, in bytes.
const maxClass = 128

// Errors describes the errors of one check. One goroutine at a time may use it.
type Errors struct {
	site    Site
	classes map[string]bool // all classes of the check so far
}

// A Description is all that the Monitor keeps of an error.
type Description struct {
	Class string // bounded, and never the text: the error.type
	Text  string // for operators; may hold secrets
	Warns bool   // it is a Warning
}

// Describe describes an error. Its methods are foreign code: they may panic, for example on a nil pointer in
// an interface, block, or run in a circle. Then the class is that of the fault.
func (e *Errors) Describe(err error) Description {
	if err == nil {
		return Description{}
	}
	if f, ours := err.(*Fault); ours {
		return Description{Class: e.bounded(f.Kind), Text: f.Error()}
	}
	d, failed := Ask(&e.site, func() Description { return describe(err) })
	if failed != nil {
		f := failed.(*Fault)
		d = Description{Class: f.Kind, Text: "the methods of " + typeText(reflect.TypeOf(err)) + ": " + f.Error()}
	}
	d.Class = e.bounded(d.Class)
	return d
}

// describe calls the methods of an error.
func describe(err error) (d Description) {
	all := chainOf(err)
	_, d.Warns = find[Warning](all)
	d.Class = classOf(all)
	d.Text = Cut(err.Error())
	return d
}

// bounded returns the class, or _OTHER after the first 16 classes.
func (e *Errors) bounded(class string) string {
	if !e.classes[class] {
		if len(e.classes) >= maxClasses {
			return conventions.ErrorTypeOther
		}
		if e.classes == nil {
			e.classes = map[string]bool{}
		}
		e.classes[class] = true
	}
	return class
}

// classOf returns the error's own class, if it has one. Errors of Go's net, crypto and io/fs get a class
// from here, because their Go types don't help people on call. The class of any other error is its Go type.
func classOf(all chain) string {
	if f, ok := find[*Fault](all); ok {
		return f.Kind
	}
	if all.is(context.DeadlineExceeded) {
		return "timeout"
	}
	class := ""
	if e, named := find[typed](all); named {
		class = e.ErrorType()
	} else {
		for _, k := range known {
			if k.is(all) {
				return k.class
			}
		}
	}
	if class == "" {
		class = typeOf(all[0])
	}
	return cut(strings.ToValidUTF8(cut(class, 4*maxClass), "?"), maxClass) // invalid UTF-8 would stop every export
}

// known is tried in this order, because an error may match several.
var known = []struct {
	class string
	is    func(chain) bool
}{
	{"canceled", isOne(context.Canceled)},
	{"connection_refused", refused},
	{"connection_reset", reset},
	{"unreachable", unreachable},
	{"name_not_found", func(all chain) bool {
		dns, ok := find[*net.DNSError](all)
		return ok && dns.IsNotFound
	}},
	{"timeout", func(all chain) bool {
		late, ok := find[net.Error](all)
		return ok && late.Timeout()
	}},
	{"name_resolution_error", isA[*net.DNSError]},
	{"server_certificate_invalid", isA[*tls.CertificateVerificationError]},
	{"permission_denied", isOne(fs.ErrPermission)},
	{"not_found", isOne(fs.ErrNotExist)},
}

func isOne(targets ...error) func(chain) bool {
	return func(all chain) bool { return slices.ContainsFunc(targets, all.is) }
}

func isA[E error](all chain) bool {
	_, ok := find[E](all)
	return ok
}

// Refused reports whether a connection was refused, because no process listens there. err must be an error
// of Go's own packages.
func Refused(err error) bool { return refused(chainOf(err)) }
