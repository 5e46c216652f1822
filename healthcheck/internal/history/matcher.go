package history

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A matcher selects series by one label, as in PromQL: =, !=, =~ or !~.
type matcher struct{ name, op, value string }

// metricName is the label that has a series' name.
const metricName = "__name__"

// String writes the matcher as PromQL. A name with a dot is quoted; Prometheus accepts this since 3.0.
func (m matcher) String() string {
	name := m.name
	if !plainLabel.MatchString(name) {
		name = strconv.Quote(name)
	}
	return name + m.op + strconv.Quote(m.value)
}

var plainLabel = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// promQL writes a selector.
func promQL(all []matcher) string {
	var parts []string
	for _, m := range all {
		parts = append(parts, m.String())
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// oneOf matches one of several values.
func oneOf(name string, values []string) matcher {
	if len(values) == 1 {
		return matcher{name, "=", values[0]}
	}
	var quoted []string
	for _, v := range values {
		quoted = append(quoted, regexp.QuoteMeta(v))
	}
	return matcher{name, "=~", strings.Join(quoted, "|")}
}

// with adds matchers to a copy.
func with(all []matcher, more ...matcher) []matcher { return slices.Concat(all, more) }

// parseSelector reads matchers: {job="shop",path=~"/a|/b"}. The braces may be missing.
func parseSelector(text string) (all []matcher, err error) {
	rest := strings.TrimSpace(text)
	if after, braced := strings.CutPrefix(rest, "{"); braced {
		if rest, braced = strings.CutSuffix(after, "}"); !braced {
			return nil, fmt.Errorf("%s has no closing brace", text)
		}
	}
	for rest = strings.TrimSpace(rest); rest != ""; rest = strings.TrimSpace(rest) {
		var m matcher
		if m, rest, err = parseMatcher(rest); err != nil {
			return nil, err
		}
		all = append(all, m)
		rest = strings.TrimSpace(rest)
		if after, more := strings.CutPrefix(rest, ","); more {
			rest = after
		} else if rest != "" {
			return nil, fmt.Errorf("%q follows %s: write a comma between two matchers", rest, m)
		}
	}
	return all, nil
}

func parseMatcher(text string) (m matcher, rest string, err error) {
	m.name, rest, err = parseName(text)
	if err != nil {
		return m, "", err
	}
	rest = strings.TrimSpace(rest)
	for _, op := range []string{"=~", "!~", "!=", "="} { // the longer ones first
		if after, is := strings.CutPrefix(rest, op); is {
			m.op, rest = op, strings.TrimSpace(after)
			break
		}
	}
	if m.op == "" {
		return m, "", fmt.Errorf("%q has no =, !=, =~ or !~: write %s=\"value\"", text, m.name)
	}
	if m.value, rest, err = parseString(rest); err != nil {
		return m, "", fmt.Errorf("the value of %s: %w", m.name, err)
	}
	if m.op == "=~" || m.op == "!~" {
		if _, err := regexp.Compile("^(?s:" + m.value + ")$"); err != nil {
			return m, "", fmt.Errorf("the value of %s: %w", m.name, err)
		}
	}
	return m, rest, nil
}

func parseName(text string) (name, rest string, err error) {
	if text[0] == '"' || text[0] == '\'' || text[0] == '`' {
		return parseString(text)
	}
	end := strings.IndexFunc(text, func(r rune) bool {
		return r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	})
	if end < 0 {
		end = len(text)
	}
	if end == 0 || !plainLabel.MatchString(text[:end]) {
		return "", "", fmt.Errorf("%q does not begin with a label: write job=\"shop\", and a name with dots in quotes", text)
	}
	return text[:end], text[end:], nil
}

// parseString reads a string of PromQL, in one of its three quotes.
func parseString(text string) (value, rest string, err error) {
	if text == "" || !strings.ContainsRune("\"'`", rune(text[0])) {
		return "", "", fmt.Errorf("%q is not in quotes", text)
	}
	quote := text[0]
	if quote == '`' {
		end := strings.IndexByte(text[1:], '`')
		if end < 0 {
			return "", "", fmt.Errorf("%s has no closing quote", text)
		}
		return text[1 : 1+end], text[2+end:], nil
	}
	var b strings.Builder
	for rest = text[1:]; rest != ""; {
		if rest[0] == quote {
			return b.String(), rest[1:], nil
		}
		r, multibyte, tail, err := strconv.UnquoteChar(rest, quote)
		if err != nil {
			return "", "", fmt.Errorf("%s: %w", text, err)
		}
		if multibyte {
			b.WriteRune(r)
		} else {
			b.WriteByte(byte(r))
		}
		rest = tail
	}
	return "", "", fmt.Errorf("%s has no closing quote", text)
}
