package functions

import (
	"regexp"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/kplan/kplan/dsl/internal/guard"
)

const (
	maxWidth   = 10_000  // characters that a format pads to
	maxPattern = 4 << 10 // bytes of a regular expression
)

var hasPrefix, hasSuffix, contains = strings.HasPrefix, strings.HasSuffix, strings.Contains

// textTest is a question about a text and another.
func textTest(name string, ask func(s, other string) bool) function.Function {
	return function.New(&function.Spec{
		Description: "Reports whether a text has this " + name + ".",
		Params:      []function.Parameter{{Name: "string", Type: cty.String}, {Name: name, Type: cty.String}},
		Type:        function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(ask(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

// pattern is the regular expression in "/…/", which replace takes.
func pattern(s string) (*regexp.Regexp, bool, error) {
	if len(s) < 2 || s[0] != '/' || s[len(s)-1] != '/' {
		return nil, false, nil
	}
	if len(s) > maxPattern {
		return nil, true, function.NewArgErrorf(1, "a regular expression has 4096 bytes at most")
	}
	re, err := regexp.Compile(s[1 : len(s)-1])
	if err != nil {
		return nil, true, function.NewArgErrorf(1, "no regular expression: %s", err)
	}
	return re, true, nil
}

var replaceFunc = function.New(&function.Spec{
	Description: "A text with every occurrence of another replaced; of a regular expression, if that is written as /…/.",
	Params:      []function.Parameter{{Name: "str", Type: cty.String}, {Name: "substr", Type: cty.String}, {Name: "replace", Type: cty.String}},
	Type:        function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		s, old, to := args[0].AsString(), args[1].AsString(), args[2].AsString()
		re, ok, err := pattern(old)
		switch {
		case err != nil:
			return cty.NilVal, err
		case ok:
			return cty.StringVal(re.ReplaceAllString(s, to)), nil
		}
		return cty.StringVal(strings.ReplaceAll(s, old, to)), nil
	},
})

func beforeReplace(b *guard.Budget, args []value) error {
	s, old, to := args[0].AsString(), args[1].AsString(), args[2].AsString()
	re, ok, err := pattern(old)
	if err != nil || !ok {
		return longer(b, len(s), strings.Count(s, old), len(to))
	}
	if err := scanned(b, old, s); err != nil {
		return err
	}
	n := 0
	re.ReplaceAllStringFunc(s, func(string) string { n++; return "" })
	// each $ in the replacement can stand for the whole match
	return longer(b, len(s)*(1+strings.Count(to, "$")), n, len(to))
}

// longer refuses a text of n bytes with so many pieces put in.
func longer(b *guard.Budget, n, times, size int) error {
	return bounded(b, int64(n)+int64(times)*int64(size))
}

// bounded refuses a text of up to n bytes if that is more than all texts may
// have. It charges nothing: guarded does for what there is in the end.
func bounded(b *guard.Budget, n int64) error {
	if n > guard.MaxBytes || n < 0 {
		return b.Bytes(guard.MaxBytes + 1<<50)
	}
	return nil
}

// charged charges n, and does not let it overflow.
func charged(charge func(int64) error, n int64) error {
	if n < 0 {
		n = 1 << 50
	}
	return charge(n)
}

// scanned charges for running a regular expression over s.
func scanned(b *guard.Budget, expr, s string) error {
	if len(expr) > maxPattern {
		return function.NewArgErrorf(0, "a regular expression has 4096 bytes at most")
	}
	return b.Steps(int64(len(expr)) * (1 + int64(len(s))/64))
}

func beforeRegex(b *guard.Budget, args []value) error {
	return scanned(b, args[0].AsString(), args[1].AsString())
}

func beforeRegexAll(b *guard.Budget, args []value) error {
	if err := beforeRegex(b, args); err != nil {
		return err
	}
	re, err := regexp.Compile(args[0].AsString())
	if err != nil {
		return nil // the function says what is wrong
	}
	n := int64(0)
	re.ReplaceAllStringFunc(args[1].AsString(), func(string) string { n++; return "" })
	return b.Elements(n * int64(1+re.NumSubexp()))
}

func beforeSplit(b *guard.Budget, args []value) error {
	return b.Elements(int64(strings.Count(args[1].AsString(), args[0].AsString())) + 1)
}

func beforeJoin(b *guard.Budget, args []value) error {
	n := int64(0)
	for _, l := range args[1:] {
		size, err := b.Measure(l)
		if err != nil {
			return err
		}
		n += int64(size.Bytes) + int64(size.Elements)*int64(len(args[0].AsString()))
	}
	return bounded(b, n)
}

func beforeIndent(b *guard.Budget, args []value) error {
	n, _ := args[0].AsBigFloat().Int64()
	if n < 0 || n > maxWidth {
		return function.NewArgErrorf(0, "the number of spaces is 10000 at most")
	}
	return longer(b, len(args[1].AsString()), strings.Count(args[1].AsString(), "\n"), int(n))
}

func beforeFormat(b *guard.Budget, args []value) error { return formatted(b, args, 1) }

func beforeFormatList(b *guard.Budget, args []value) error {
	n := 1
	for _, arg := range args[1:] {
		if arg.CanIterateElements() {
			n = max(n, arg.LengthInt())
		}
	}
	if err := b.Elements(int64(n)); err != nil {
		return err
	}
	return formatted(b, args, n)
}

// formatted bounds what a format gives n times.
func formatted(b *guard.Budget, args []value, n int) error {
	format := args[0].AsString()
	width, number := 0, 0
	for _, c := range format {
		if c < '0' || c > '9' {
			number = 0
			continue
		}
		if number = number*10 + int(c-'0'); number > maxWidth {
			return function.NewArgErrorf(0, "a format pads to 10000 characters at most")
		}
		width = max(width, number)
	}
	largest := 0
	for _, arg := range args[1:] {
		size, err := b.Measure(arg)
		if err != nil {
			return err
		}
		largest = max(largest, size.Bytes+40*size.Elements) // numbers have no bytes
	}
	verbs := int64(strings.Count(format, "%"))
	if n > 1 {
		largest = largest/n*2 + 1000 // they are spread over the elements
	}
	return bounded(b, int64(n)*(int64(len(format))+verbs*int64(largest+4*width)))
}
