package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// flags declares and parses the flags of a command: with one dash or two, and
// anywhere among the arguments.
type flags struct {
	set  *flag.FlagSet
	docs []flagDoc // in the order of their declaration
	bad  error     // of a value that was refused
}

// flagDoc is what the help says of a flag.
type flagDoc struct {
	name, arg, usage string
	common           bool
}

func newFlags(name string) *flags {
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.Usage = func() {}
	return &flags{set: set}
}

// value is a flag with a function that takes what is given.
type value struct {
	set    func(string) error
	isBool bool
}

func (v value) String() string     { return "" }
func (v value) IsBoolFlag() bool   { return v.isBool }
func (v value) Set(s string) error { return v.set(s) }

// add declares a flag. Set refuses a value with a sentence that says what may
// stand there.
func (f *flags) add(name, arg, usage string, isBool bool, set func(string) error) {
	f.docs = append(f.docs, flagDoc{name: name, arg: arg, usage: usage})
	f.set.Var(value{isBool: isBool, set: func(s string) error {
		if err := set(s); err != nil {
			f.bad = fmt.Errorf("--%s cannot be %q: %w", name, s, err)
			return err
		}
		return nil
	}}, name, usage)
}

// Bool declares a flag that is on or off.
func (f *flags) Bool(name, usage string) *bool {
	p := new(bool)
	f.boolVar(p, name, usage)
	return p
}

func (f *flags) boolVar(p *bool, name, usage string) {
	f.add(name, "", usage, true, func(s string) error {
		b, err := strconv.ParseBool(s)
		if err != nil {
			return errors.New("it is true or false")
		}
		*p = b
		return nil
	})
}

// String declares a flag with a value called arg.
func (f *flags) String(name, arg, usage string) *string {
	p := new(string)
	f.stringVar(p, name, arg, usage)
	return p
}

func (f *flags) stringVar(p *string, name, arg, usage string) {
	f.add(name, arg, usage, false, func(s string) error {
		if s == "" {
			return errors.New("it may not be empty")
		}
		*p = s
		return nil
	})
}

// Choice declares a flag with a value of a closed list; the first is the
// default.
func (f *flags) Choice(name, usage string, choices ...string) *string {
	p := new(string)
	f.choiceVar(p, name, usage, choices...)
	return p
}

func (f *flags) choiceVar(p *string, name, usage string, choices ...string) {
	if *p == "" {
		*p = choices[0]
	}
	f.add(name, strings.Join(choices, "|"), usage, false, func(s string) error {
		if !slices.Contains(choices, s) {
			return fmt.Errorf("it is one of %s", strings.Join(choices, ", "))
		}
		*p = s
		return nil
	})
}

// List declares a flag that may stand several times.
func (f *flags) List(name, arg, usage string) *[]string {
	p := new([]string)
	f.listVar(p, name, arg, usage)
	return p
}

func (f *flags) listVar(p *[]string, name, arg, usage string) {
	f.add(name, arg, usage+"; may stand several times", false, func(s string) error {
		if s == "" {
			return errors.New("it may not be empty")
		}
		*p = append(*p, s)
		return nil
	})
}

func (f *flags) intVar(p *int, name, arg, usage string, low, high int) {
	f.add(name, arg, usage, false, func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < low || n > high {
			return fmt.Errorf("it is a number from %d to %d", low, high)
		}
		*p = n
		return nil
	})
}

func (f *flags) durationVar(p *time.Duration, name, arg, usage string) {
	f.add(name, arg, usage, false, func(s string) error {
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 {
			return errors.New("it is a time with its unit, such as 30s or 5m")
		}
		*p = d
		return nil
	})
}

// leading parses the flags before the first argument and returns the rest.
func (f *flags) leading(args []string) ([]string, error) {
	err := f.set.Parse(args)
	return f.set.Args(), f.explain(err)
}

// parse parses flags anywhere among the arguments and returns these. Behind
// "--" there are arguments only.
func (f *flags) parse(args []string) ([]string, error) {
	var out []string
	for {
		if err := f.set.Parse(args); err != nil {
			return nil, f.explain(err)
		}
		rest := f.set.Args()
		if len(rest) == 0 {
			return out, nil
		}
		if n := len(args) - len(rest); n > 0 && args[n-1] == "--" {
			return append(out, rest...), nil
		}
		out, args = append(out, rest[0]), rest[1:]
	}
}

// explain says in our words what package flag found.
func (f *flags) explain(err error) error {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		if err != nil {
			_ = f.set.Set("help", "true")
		}
		return nil
	}
	if f.bad != nil {
		return f.bad
	}
	if name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); ok {
		var known []string
		f.set.VisitAll(func(fl *flag.Flag) { known = append(known, fl.Name) })
		near := nearest(name, known)
		if near != "" {
			return fmt.Errorf("there is no flag --%s; did you mean --%s?", name, near)
		}
		return fmt.Errorf("there is no flag --%s", name)
	}
	if name, ok := strings.CutPrefix(err.Error(), "flag needs an argument: -"); ok {
		return fmt.Errorf("--%s needs a value", name)
	}
	return fmt.Errorf("the flags cannot be read: %w", err)
}
