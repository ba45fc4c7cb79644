package dsl

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/kplan/kplan/dsl/internal/functions"
	"github.com/kplan/kplan/dsl/internal/guard"
)

// given is a value that a variable of the root module was given, and where.
type given struct {
	value cty.Value
	text  *string // not read yet: of the environment or the command line
	from  string  // in words: the environment variable KPLAN_VAR_a, --var, the place in a file
	rng   hcl.Range
}

// variable is the value of a variable in the module instance in.
func (s *Spec) variable(in *instance, id valueID, ev *evaluation) (cty.Value, hcl.Diagnostics) {
	v := in.node.mod.variables[id.name]
	var value cty.Value
	var diags hcl.Diagnostics
	rng, from := v.rng, ""
	if in.parent == nil {
		g, ok := s.given[id.name]
		if !ok {
			return cty.DynamicVal, nil // reported by readVariables
		}
		value, rng, from = g.value, g.rng, g.from
	} else if arg := in.node.call.args[id.name]; arg != nil {
		f := in.parent.frame(ev)
		f.each = in.each
		value, diags = s.eval(arg, f)
		if diags.HasErrors() {
			return cty.DynamicVal, diags
		}
		rng = arg.rng
	}
	value, more := s.fit(v, value, rng, from)
	return s.bound(id, value, rng, append(diags, more...))
}

// fit makes what was given (cty.NilVal where nothing was) a value of the
// variable: of its type, and marked where it is sensitive. from says where, of
// one of the root module; "" for its default.
func (s *Spec) fit(v *variableBlock, value cty.Value, rng hcl.Range, from string) (cty.Value, hcl.Diagnostics) {
	if from != "" {
		from = " from " + from
	}
	if v.sensitive {
		rng = v.rng // so that no snippet shows the value
	}
	if value == cty.NilVal || !v.nullable && isNull(value) {
		switch {
		case v.def != nil:
			def, diags := v.def.Value(&hcl.EvalContext{})
			if diags.HasErrors() {
				return cty.DynamicVal, scrubbed(v.def, nil, diags)
			}
			value = def
		case value != cty.NilVal:
			return cty.DynamicVal, hcl.Diagnostics{errorAt(rng, "Invalid value for a variable", "The variable %q cannot be null, and its value%s is.", v.name, from)}
		default:
			return cty.DynamicVal, nil // reported where the value is missing
		}
	}
	out, err := v.typ.apply(value)
	if err != nil {
		why := describe(err)
		m := mismatch(value, v.typ.typ, v.sensitive)
		switch {
		case v.typ.typ.Equals(hostType):
			why = "a host is required, such as host.web1"
		case v.typ.typ.Equals(cty.List(hostType)):
			why = "a list of hosts is required, such as role.worker or [host.web1]"
		case m != nil:
			why = m.clause(v.name, "it", true)
		}
		return cty.DynamicVal, hcl.Diagnostics{errorAt(rng, "Invalid value for a variable", "The value of %q%s is not as its type says: %s.", v.name, from, why)}
	}
	if v.sensitive {
		out = out.Mark(functions.Sensitive)
	}
	return functions.Scrub(out), nil
}

func isNull(v cty.Value) bool {
	v, _ = v.Unmark()
	return v.IsKnown() && v.IsNull()
}

// describe is a conversion error with the path that it is about.
func describe(err error) string {
	pe, ok := err.(cty.PathError)
	if !ok || len(pe.Path) == 0 {
		return err.Error()
	}
	return "in " + strings.TrimPrefix(spelled("", pe.Path), ".") + ": " + err.Error()
}

// readVariables gives the variables of the root module their values.
func (s *Spec) readVariables() hcl.Diagnostics {
	vars := s.root.mod.variables
	diags := s.environment()
	diags = append(diags, s.valueFiles()...)
	lost := diags.HasErrors() // what a file was to say that could not be read, nobody knows
	diags = append(diags, s.commandLine()...)
	diags = append(diags, s.bundle.variables(s)...)
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		v := vars[name]
		g, ok := s.given[name]
		if !ok {
			if v.def == nil && lost {
				continue
			}
			if v.def == nil {
				diags = append(diags, errorAt(v.rng, "No value for a variable",
					"The variable %q has no default and was given no value. Give one with --var '%s=…', in a file that ends with %s, or in the environment as KPLAN_VAR_%s.", name, name, varsSuffix, name))
				continue
			}
			g.rng = v.def.rng
		}
		if g.text != nil {
			value, more := s.fromText(v, g)
			diags = append(diags, more...)
			if more.HasErrors() {
				delete(s.given, name)
				continue
			}
			g.value = value
		}
		s.given[name] = g
		_, more := s.value(s.top, valueID{s.root, kindVar, name}, nil)
		diags = append(diags, more...)
	}
	return append(diags, s.bundle.compare(s)...)
}

// fromText reads a value of the environment or the command line: the text
// itself for a string, an expression for what is not primitive.
func (s *Spec) fromText(v *variableBlock, g given) (cty.Value, hcl.Diagnostics) {
	if v.typ.any || v.typ.typ.IsPrimitiveType() {
		value, err := convert.Convert(cty.StringVal(*g.text), v.typ.typ)
		if err != nil {
			return cty.NilVal, hcl.Diagnostics{errorAt(v.rng, "Invalid value for a variable", "The value of %q from %s is not as its type says: %s.", v.name, g.from, err)}
		}
		return value, nil
	}
	name := "value of var." + v.name + " from " + g.from
	e, diags := guard.ParseExpression(name, []byte(*g.text), s.budget)
	var value cty.Value
	if !diags.HasErrors() {
		value, diags = e.Value(nil)
	}
	if !diags.HasErrors() {
		if strangers := v.strangers(e, g.from); strangers.HasErrors() {
			return cty.NilVal, strangers
		}
	}
	if diags.HasErrors() {
		d := errorAt(v.rng, "Invalid value for a variable", "The value of %q from %s is no constant expression of its type.", v.name, g.from)
		if !v.sensitive {
			d.Detail += " " + diags[0].Summary + ": " + diags[0].Detail
		}
		if sample := sampleOf(v.typ.typ); sample != "" {
			form := "--var '%s=%s'"
			if g.from != "--var" {
				form = "KPLAN_VAR_%s='%s'"
			}
			d.Detail += " Write it as in a spec: " + fmt.Sprintf(form, v.name, sample) + "."
		}
		return cty.NilVal, hcl.Diagnostics{d}
	}
	return value, nil
}

// sampleOf is how a value of a type looks that is made of others; "" where the
// type has to be looked at.
func sampleOf(typ cty.Type) string {
	many := typ.IsListType() || typ.IsSetType()
	if !many && !typ.IsMapType() {
		return ""
	}
	of := map[cty.Type][2]string{cty.String: {`"a"`, `"b"`}, cty.Number: {"1", "2"}, cty.Bool: {"true", "false"}}
	sample, known := of[typ.ElementType()]
	switch {
	case !known:
		return ""
	case many:
		return "[" + sample[0] + ", " + sample[1] + "]"
	}
	return "{ a = " + sample[0] + " }"
}

// environment takes the values in KPLAN_VAR_name.
func (s *Spec) environment() hcl.Diagnostics {
	for _, kv := range s.options.Env {
		key, value, _ := strings.Cut(kv, "=")
		name, ok := strings.CutPrefix(key, "KPLAN_VAR_")
		if v := s.root.mod.variables[name]; ok && v != nil {
			s.given[name] = given{text: &value, from: "the environment variable " + key, rng: v.rng}
		}
	}
	return nil
}

// commandLine takes the values of --var.
func (s *Spec) commandLine() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, kv := range s.options.Vars {
		name, value, ok := strings.Cut(kv, "=")
		name = strings.TrimSpace(name)
		v := s.root.mod.variables[name]
		rng := hcl.Range{Filename: "--var", Start: hcl.InitialPos, End: hcl.InitialPos}
		switch {
		case !ok:
			diags = append(diags, errorAt(rng, "Invalid --var", "--var takes name=value, and there is no equals sign in what it was given."))
		case v == nil:
			diags = append(diags, errorAt(rng, "Unknown variable", "--var gives a value to %q, and the spec has no variable of this name.%s", name, suggest(name, slices.Collect(maps.Keys(s.root.mod.variables)))))
		default:
			s.given[name] = given{text: &value, from: "--var", rng: v.rng}
		}
	}
	return diags
}

// valueFiles takes the values in *.auto.kplanvars.hcl and of --var-file.
func (s *Spec) valueFiles() hcl.Diagnostics {
	here := location{path: "."}
	from := s.from // of a saved plan: beside the spec as it is now
	if s.bundle != nil {
		from = s.bundle.disk
	}
	names, err := from.list(here)
	if err != nil {
		return hcl.Diagnostics{errorAt(hcl.Range{Filename: s.dir}, "Cannot read the spec", "The directory %s cannot be read: %s.", s.dir, reason(err))}
	}
	var diags hcl.Diagnostics
	names = only(names, func(n string) bool { return strings.HasSuffix(n, varsSuffix) })
	slices.Sort(names)
	for _, name := range names {
		src, err := from.read(here, name)
		diags = append(diags, s.valueFile(name, src, err)...)
	}
	for _, path := range s.options.VarFiles {
		src, err := readRegular(osFS{}, path)
		diags = append(diags, s.valueFile(filepath.ToSlash(path), src, err)...)
	}
	return diags
}

func (s *Spec) valueFile(name string, src []byte, err error) hcl.Diagnostics {
	if err != nil {
		return hcl.Diagnostics{errorAt(hcl.Range{Filename: name}, "Cannot read a file", "The file %s with values of variables cannot be read: %s.", name, reason(err))}
	}
	f, diags := guard.Parse(name, src, s.budget)
	s.files[name], s.broken[name] = f, diags.HasErrors()
	body, ok := f.Body.(*hclsyntax.Body)
	if diags.HasErrors() || !ok {
		return diags
	}
	for _, b := range body.Blocks {
		diags = append(diags, errorAt(b.TypeRange, "Unexpected block", "A file with values of variables holds arguments only, such as name = value."))
	}
	for _, a := range inSource(body.Attributes) {
		v := s.root.mod.variables[a.Name]
		if v == nil {
			diags = append(diags, warningAt(a.NameRange, "Unknown variable", "The spec has no variable named %q, so that its value is not used.%s", a.Name, suggest(a.Name, slices.Collect(maps.Keys(s.root.mod.variables)))))
			continue
		}
		value, more := a.Expr.Value(nil)
		if more.HasErrors() {
			rng := a.Expr.Range()
			if v.sensitive {
				rng = v.rng
			}
			diags = append(diags, errorAt(rng, "Not a constant", "The value of %q in %s is to be a constant: it can use no function and refer to nothing.", a.Name, name))
			continue
		}
		diags = append(diags, v.strangers(a.Expr, "")...)
		s.given[a.Name] = given{value: value, from: at(a.SrcRange), rng: a.SrcRange}
	}
	return diags
}

// osFS reads any path of the file system.
type osFS struct{}

// Open opens the file.
func (osFS) Open(name string) (fs.File, error) { return os.Open(name) }

// Stat looks at the file without opening it.
func (osFS) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }
