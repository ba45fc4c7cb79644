package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
)

// problem is a diagnostic in the making: the engine alone turns errors of the
// layers below into diagnostics with a place in the spec.
type problem struct {
	summary string
	detail  string
	at      *hcl.Range
	code    Code
	warning bool
}

func (p problem) diag() *hcl.Diagnostic {
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: p.summary, Detail: p.detail, Subject: p.at}
	if p.warning {
		d.Severity = hcl.DiagWarning
	}
	if p.code != 0 && p.code != CodeError {
		d.Extra = p.code
	}
	return d
}

func one(p problem) hcl.Diagnostics { return hcl.Diagnostics{p.diag()} }

// blame is the range in the block of in that err is about: the attribute that
// a *resource.FieldError names, or the place of a *refusedError, otherwise the
// head of the block.
func blame(in *dsl.Instance, err error) *hcl.Range {
	if in == nil {
		return nil
	}
	var refused *refusedError
	if errors.As(err, &refused) && refused.at != nil {
		return refused.at
	}
	var field *resource.FieldError
	if errors.As(err, &field) {
		r := in.Block.AttrRange(field.Field)
		return &r
	}
	r := in.Block.DeclRange
	return &r
}

// unsuitable is the diagnostic of an argument that its type refuses.
func (d *derivation) unsuitable(i int, err error) *hcl.Diagnostic {
	in, msg := d.insts[i], d.hider.hide(err.Error())
	var field *resource.FieldError
	if errors.As(err, &field) && slices.Contains(d.nodes[i].secrets, field.Field) {
		msg = fmt.Sprintf("%s: The type %s does not take this value (the argument is sensitive).", field.Field, in.Addr.Type)
	}
	return problem{summary: "Unsuitable argument", detail: msg, at: blame(in, err)}.diag()
}

// explain says what went wrong on a machine: the error, and the end of what
// the command wrote, whose last line the error holds already.
func explain(err error) string {
	var exit *host.ExitError
	if !errors.As(err, &exit) {
		return sentence(err.Error())
	}
	return sentence("the command "+err.Error()) + commandOutput(exit)
}

func commandOutput(exit *host.ExitError) string {
	stdout, stderr := exit.Output.Shown()
	out := tail(stderr, 20)
	if out == "" {
		out = tail(stdout, 20)
	}
	if strings.Count(out, "\n") == 0 {
		return ""
	}
	return "\n\nThe end of its output:\n\n    " + strings.ReplaceAll(out, "\n", "\n    ")
}

// tail is the last n lines of b.
func tail(b []byte, n int) string {
	lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, "\n")
}

func sentence(s string) string {
	if s == "" {
		return ""
	}
	s = strings.ToUpper(s[:1]) + s[1:]
	if !strings.HasSuffix(s, ".") && !strings.HasSuffix(s, "!") && !strings.HasSuffix(s, "?") {
		s += "."
	}
	return s
}

// refusedError is the errors that evaluating expressions of a block gave, when a
// step came.
type refusedError struct {
	text string
	at   *hcl.Range // of the first
}

func (e *refusedError) Error() string { return e.text }

// refusal is what the errors in diags say, without the warnings beside them;
// nil where there is no error.
func refusal(diags hcl.Diagnostics) error {
	var details []string
	var at *hcl.Range
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			if len(details) == 0 {
				at = d.Subject
			}
			details = append(details, d.Detail)
		}
	}
	if len(details) == 0 {
		return nil
	}
	return &refusedError{strings.Join(details, "\n\n"), at}
}

// cancelled reports whether err is the end of the run's context.
func cancelled(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, ctx.Err()))
}

func plural(n int, one, many string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, one)
	}
	return fmt.Sprintf("%d %s", n, many)
}
