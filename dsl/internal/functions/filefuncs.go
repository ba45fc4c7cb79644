package functions

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"strings"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/kplan/kplan/dsl/internal/guard"
)

// pathParam keeps its mark: a file with a sensitive name is a secret.
var pathParam = function.Parameter{Name: "path", Type: cty.String, AllowMarked: true}

// load is the content of the file that v names, in errors by that name.
func (t *table) load(v cty.Value, secret bool) ([]byte, error) {
	name, marks := v.Unmark()
	b, fresh, err := t.files.content(name.AsString(), secret || len(marks) > 0)
	if err == nil && fresh {
		err = t.budget.Bytes(int64(len(b)))
	}
	if err == nil {
		err = t.budget.Steps(1 + int64(len(b))/64)
	}
	if limit := (*guard.LimitError)(nil); err != nil && !errors.As(err, &limit) {
		err = function.NewArgErrorf(0, "%q: %w", shorten(name.AsString()), err)
	}
	return b, err
}

func shorten(name string) string {
	if len(name) > 200 {
		return strings.ToValidUTF8(name[:200], "") + "…"
	}
	return name
}

// fromFile is a function of the content of one file.
func (t *table) fromFile(description string, secret bool, f func([]byte) (string, error)) function.Function {
	return function.New(&function.Spec{
		Description: description,
		Params:      []function.Parameter{pathParam},
		Type:        function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			b, err := t.load(args[0], secret)
			if err != nil {
				return cty.NilVal, err
			}
			s, err := f(b)
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			return cty.StringVal(s).WithSameMarks(args[0]), nil
		},
	})
}

func (t *table) file(secret bool) function.Function {
	return t.fromFile("The text of a file of the spec.", secret, func(b []byte) (string, error) {
		if !utf8.Valid(b) {
			return "", fmt.Errorf("%w; filebase64 reads others", errNotText)
		}
		return string(b), nil
	})
}

func (t *table) fileBase64(secret bool) function.Function {
	return t.fromFile("The Base64 of a file of the spec.", secret, func(b []byte) (string, error) {
		return base64.StdEncoding.EncodeToString(b), nil
	})
}

func (t *table) fileSHA256(secret bool) function.Function {
	return t.fromFile("The SHA-256 of a file of the spec, in hexadecimal.", secret, func(b []byte) (string, error) {
		sum := sha256.Sum256(b)
		return hex.EncodeToString(sum[:]), nil
	})
}

// fileSet lists files, and reads none. It notes what it found, so that those who
// have only what was noted get the same list.
func (t *table) fileSet() function.Function {
	return function.New(&function.Spec{
		Description: "The paths of all files below a directory of the spec that match a pattern, where ** stands for any directories.",
		Params:      []function.Parameter{{Name: "path", Type: cty.String}, {Name: "pattern", Type: cty.String}},
		Type:        function.StaticReturnType(cty.Set(cty.String)),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			dir, err := local(args[0].AsString())
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(0, "%q: %w", shorten(args[0].AsString()), err)
			}
			pattern := args[1].AsString()
			if len(pattern) > maxPattern || strings.Count(pattern, "{") > 10 || !doublestar.ValidatePattern(pattern) {
				return cty.NilVal, function.NewArgErrorf(1, "this is no pattern of file names")
			}
			names, err := t.files.list(dir)
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(0, "%q: %w", shorten(args[0].AsString()), err)
			}
			var found []cty.Value
			for _, name := range names {
				rel, ok := name, dir == "."
				if !ok {
					rel, ok = strings.CutPrefix(name, dir+"/")
				}
				if err := t.budget.Steps(1 + int64(len(pattern))/8); err != nil {
					return cty.NilVal, err
				}
				if !ok || !doublestar.MatchUnvalidated(pattern, rel) {
					continue
				}
				t.files.found(name)
				found = append(found, cty.StringVal(rel))
			}
			if len(found) == 0 {
				if dir != "." {
					t.files.found(dir + "/")
				}
				return cty.SetValEmpty(cty.String), nil
			}
			return cty.SetVal(found), nil
		},
	})
}

// templateFile evaluates a file as a template. The template sees the variables
// it is given and the functions of a spec but templatefile itself.
func (t *table) templateFile(secret bool) function.Function {
	return function.New(&function.Spec{
		Description: "The text that a template in a file of the spec gives with these variables.",
		Params:      []function.Parameter{pathParam, {Name: "vars", Type: cty.DynamicPseudoType, AllowMarked: true, AllowUnknown: true}},
		Type:        function.StaticReturnType(cty.DynamicPseudoType),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			vars, marks := args[1].Unmark()
			if ty := vars.Type(); !ty.IsObjectType() && !ty.IsMapType() {
				return cty.NilVal, function.NewArgErrorf(1, "an object with the template's variables is required")
			}
			b, err := t.load(args[0], secret)
			if err != nil {
				return cty.NilVal, err
			}
			if !vars.IsKnown() {
				return cty.DynamicVal.WithMarks(marks).WithSameMarks(args[0]), nil
			}
			name, _ := args[0].Unmark()
			v, err := t.render(name.AsString(), b, vars, secret || args[0].IsMarked())
			if err != nil {
				return cty.NilVal, err
			}
			return v.WithMarks(marks).WithSameMarks(args[0]), nil
		},
	})
}

func (t *table) render(name string, src []byte, vars cty.Value, secret bool) (cty.Value, error) {
	if err := t.budget.Steps(int64(len(src))); err != nil {
		return cty.NilVal, err
	}
	expr, diags := guard.ParseTemplate(name, src, t.budget)
	if diags.HasErrors() {
		return cty.NilVal, function.NewArgErrorf(0, "%s", reasons(diags))
	}
	ctx := &hcl.EvalContext{Variables: map[string]cty.Value{}, Functions: map[string]function.Function{}}
	for it := vars.ElementIterator(); it.Next(); {
		k, v := it.Element()
		if !hclsyntax.ValidIdentifier(k.AsString()) {
			return cty.NilVal, function.NewArgErrorf(1, "%q is no name that a template can use", k.AsString())
		}
		ctx.Variables[k.AsString()] = v
	}
	maps.Copy(ctx.Functions, t.funcs)
	if secret {
		maps.Copy(ctx.Functions, t.secret)
	}
	delete(ctx.Functions, "templatefile")
	for _, traversal := range expr.Variables() {
		if _, ok := ctx.Variables[traversal.RootName()]; !ok {
			return cty.NilVal, function.NewArgErrorf(1, "the template uses %q, which is not given (at %s)", traversal.RootName(), traversal.SourceRange())
		}
	}
	v, diags := expr.Value(ctx)
	if err := t.budget.Failed(); err != nil {
		return cty.NilVal, err
	}
	if diags.HasErrors() {
		return cty.NilVal, function.NewArgErrorf(0, "%s", reasons(diags))
	}
	return v, nil
}
