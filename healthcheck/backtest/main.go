package backtest

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
)

// The exit codes of Main.
const (
	Well   = 0 // no instance would have been out at a sample
	Ill    = 1 // an instance would have been out, or may have been
	Failed = 2 // a mistake in the command or in a rule, or the backend does not answer
)

// Main is the whole program of a service: it judges the past by the rules of its configuration, with the
// flags of the command line, and returns [Well], [Ill] or [Failed]. SIGINT stops it.
func Main(c healthcheck.Config) (exit int) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	set := flag.NewFlagSet("backtest", flag.ContinueOnError)
	set.SetOutput(os.Stderr)
	set.Usage = func() {
		fmt.Fprintf(set.Output(), "usage: backtest [flags]\n\nIt tries the rules of this program on what a Prometheus has recorded.\n"+
			"It exits with 0 if no instance would have been out at a sample, with 1 if one would have been or may have been, and with 2 for a mistake.\n\n")
		set.PrintDefaults()
	}
	program := Flags(set)
	switch err := set.Parse(os.Args[1:]); {
	case errors.Is(err, flag.ErrHelp):
		return Well
	case err != nil:
		return Failed
	}
	code, err := program(ctx, c, os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return code
}

// A Program judges the past according to its flags, and writes the result.
type Program func(ctx context.Context, c healthcheck.Config, stdout, stderr io.Writer) (code int, err error)

// Flags adds the flags of [Main] to a set, for a command with more flags. Call the Program after the set was
// parsed. The Program returns one of the exit codes; err says why it is [Failed].
func Flags(set *flag.FlagSet) Program {
	f := &flags{header: http.Header{}}
	f.add(set, "7d")
	set.StringVar(&f.format, "format", "text", "`format` of the result: text, json or html")
	return f.run
}

// add adds the flags that select the recorded metrics.
func (f *flags) add(set *flag.FlagSet, last string) {
	set.StringVar(&f.url, "url", defaultURL, "`address` of Prometheus, or of a backend with its HTTP API")
	set.StringVar(&f.selector, "selector", "", "the service's series, as in PromQL: `job=\"orders\"`")
	set.StringVar(&f.labels, "instance", "", "`labels` that tell instances apart, separated by commas")
	f.usual = last
	set.StringVar(&f.last, "last", last, "how much of the past, until -to: `7d`, 12h or 30m")
	set.StringVar(&f.from, "from", "", "begin of the time, instead of -last: `2026-11-28T00:00:00Z`, or 2026-11-28")
	set.StringVar(&f.to, "to", "", "end of the time, written like -from; now if empty")
	set.StringVar(&f.output, "o", "", "`file` for the result, instead of the standard output")
	set.Func("header", "a `header` of every request: \"X-Scope-OrgID: prod\"; may be given more than once; $NAME is read from the environment", f.addHeader)
	f.secure.add(set)
}

type flags struct {
	url, selector, labels, last, usual, from, to, format, output string
	header                                                       http.Header
	secure
}

func (f *flags) addHeader(text string) error {
	name, value, ok := strings.Cut(text, ":")
	if name = strings.TrimSpace(name); !ok || name == "" {
		return fmt.Errorf("%q is no header: write -header 'Authorization: Bearer $TOKEN'", text)
	}
	var unset []string
	value = os.Expand(strings.TrimSpace(value), func(variable string) string { // other processes see arguments
		text, is := os.LookupEnv(variable)
		if !is {
			unset = append(unset, "$"+variable)
		}
		return text
	})
	if len(unset) > 0 {
		return fmt.Errorf("%s of the header %s is not set in the environment", strings.Join(unset, " and "), name)
	}
	f.header.Add(name, value)
	return nil
}

// options are what the flags ask for.
func (f *flags) options(now time.Time) (o Options, err error) {
	o = Options{URL: f.url, Selector: f.selector, Header: f.header, To: now}
	if o.Client, err = f.client(f.header); err != nil {
		return o, err
	}
	for _, l := range strings.Split(f.labels, ",") {
		if l = strings.TrimSpace(l); l != "" {
			o.InstanceLabels = append(o.InstanceLabels, l)
		}
	}
	if f.to != "" {
		if o.To, err = date("to", f.to); err != nil {
			return o, err
		}
	}
	if f.from != "" {
		if f.last != f.usual {
			return o, errors.New("backtest: -from and -last both say when the time begins: give only one of them")
		}
		if o.From, err = date("from", f.from); err != nil {
			return o, err
		}
	} else {
		last, err := span(f.last)
		if err != nil {
			return o, err
		}
		o.From = o.To.Add(-last)
	}
	if !o.From.Before(o.To) {
		return o, fmt.Errorf("backtest: -from %s is not before -to %s", o.From.Format(time.RFC3339), o.To.Format(time.RFC3339))
	}
	return o, nil
}

func date(name, text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("backtest: -%s %q is no time: write 2026-11-28T15:04:05Z or 2026-11-28", name, text)
}

// span reads a duration, which may have days.
func span(text string) (time.Duration, error) {
	days, rest := 0, text
	if before, after, has := strings.Cut(text, "d"); has {
		if _, err := fmt.Sscanf(before, "%d", &days); err != nil || fmt.Sprint(days) != before {
			return 0, fmt.Errorf("backtest: -last %q is no duration: write 7d, 12h or 30m", text)
		}
		rest = after
	}
	d := time.Duration(days) * 24 * time.Hour
	if days < 0 || days > 36500 || rest != "" && rest[0] == '-' {
		return 0, fmt.Errorf("backtest: -last %q is no duration: write 7d, 12h or 30m", text)
	}
	if rest != "" {
		more, err := time.ParseDuration(rest)
		if err != nil {
			return 0, fmt.Errorf("backtest: -last %q is no duration: write 7d, 12h or 30m", text)
		}
		d += more
	}
	if d <= 0 {
		return 0, fmt.Errorf("backtest: -last %q is not positive", text)
	}
	return d, nil
}

// formats write a result.
var formats = map[string]func(*Result, io.Writer) error{
	"text": (*Result).WriteText,
	"html": (*Result).WriteHTML,
	"json": func(r *Result, w io.Writer) error { return json.NewEncoder(w).Encode(r) },
}

func (f *flags) run(ctx context.Context, c healthcheck.Config, stdout, stderr io.Writer) (code int, err error) {
	write := formats[f.format]
	if write == nil {
		return Failed, fmt.Errorf("backtest: -format %q is not text, json or html", f.format)
	}
	var r *Result
	err = f.judge(ctx, "backtest", c, stdout, stderr, func(o Options) (func(io.Writer) error, error) {
		var err error
		r, err = Run(ctx, o)
		return func(w io.Writer) error { return write(r, w) }, err
	})
	switch {
	case err != nil:
		return Failed, err
	case r.Ready.perhaps:
		return Ill, nil
	}
	return Well, nil
}

// judge reads the past, shows a bar of progress, and writes the result to the output of the flags.
func (f *flags) judge(ctx context.Context, name string, c healthcheck.Config, stdout, stderr io.Writer, run func(Options) (write func(io.Writer) error, err error)) error {
	o, err := f.options(time.Now())
	if err != nil {
		return err
	}
	bar := newBar(stderr)
	o.Config, o.Progress = c, bar.show
	write, err := run(o)
	bar.end()
	switch {
	case ctx.Err() != nil:
		return errors.New(name + ": stopped")
	case err != nil:
		return err
	case f.output != "":
		err = writeFile(f.output, write)
	default:
		err = write(stdout)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func writeFile(name string, write func(io.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}
