package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/plans"
	"github.com/kplan/kplan/state"
)

// precedence is the exit codes (docs/contract.md): where several apply, the
// first of these.
func precedence() []int { return []int{7, 4, 6, 5, 130, 3, 8, 2, 1, 0} }

// worst is the one of several exit codes that counts.
func worst(codes ...int) int {
	for _, c := range precedence() {
		if slices.Contains(codes, c) {
			return c
		}
	}
	return 0
}

// exitText says what an exit code means.
func exitText(code int) string {
	switch code {
	case 0:
		return "done"
	case 1:
		return "an error: in the arguments, the spec, a host"
	case 2:
		return "there is something to change, or has been changed behind kplan's back"
	case 3:
		return "the apply ended incomplete: steps failed, were skipped or withheld; the state is saved"
	case 4:
		return "another run holds the lock of the state"
	case 5:
		return "stale or foreign: the plan, the state, a fact or a machine is not what was planned"
	case 6:
		return "refused for trust: a host key, a seal, a digest"
	case 7:
		return "the state or its journal is damaged"
	case 8:
		return "the answer is incomplete: hosts, or what tells of objects there, cannot be reached"
	case 130:
		return "interrupted; the state is saved"
	}
	return ""
}

// codeOf is the exit code that diagnostics ask for.
func codeOf(diags hcl.Diagnostics) int {
	codes := []int{0}
	for _, d := range diags {
		code, ok := hcl.DiagnosticExtra[engine.Code](d)
		switch {
		case ok:
			codes = append(codes, int(code))
		case d.Severity == hcl.DiagError:
			codes = append(codes, 1)
		}
	}
	return worst(codes...)
}

// diagnosed is an error with all that is said of it.
type diagnosed struct{ diags hcl.Diagnostics }

func (e diagnosed) Error() string { return e.diags.Error() }

// problem is an error with exit code 1.
func problem(summary, detail string) error { return coded(1, summary, detail) }

// coded is an error with an exit code.
func coded(code int, summary, detail string) error {
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: capital(summary), Detail: detail}
	if code != 1 {
		d.Extra = engine.Code(code)
	}
	return diagnosed{hcl.Diagnostics{d}}
}

func capital(s string) string {
	if s == "" {
		return s
	}
	if s[0] >= 'a' && s[0] <= 'z' && !strings.HasPrefix(s, "kplan ") {
		return string(s[0]-'a'+'A') + s[1:]
	}
	return s
}

// diagnose turns an error of any package into what is said of it.
func diagnose(err error) hcl.Diagnostics {
	if err == nil {
		return nil
	}
	var said diagnosed
	if errors.As(err, &said) {
		return said.diags
	}
	var (
		locked  *state.LockedError
		damaged *state.DamagedError
		newer   *state.NewerError
		seal    *plans.SealError
		format  *plans.FormatError
	)
	switch {
	case errors.As(err, &locked):
		detail := "Wait until it has ended, or wait for it with --lock-timeout."
		if locked.Holder != nil {
			detail += fmt.Sprintf(" If that run is gone for good, free the lock with:\n\n    kplan unlock %s", locked.Holder.ID)
		}
		err = coded(4, locked.Error(), detail)
	case errors.As(err, &damaged):
		err = coded(7, damaged.Error(), damaged.Fix)
	case errors.As(err, &newer):
		err = problem(newer.Error(), "Use a kplan at least as new as the one that wrote it.")
	case errors.As(err, &seal):
		detail := "Save a plan with kplan plan --out FILE."
		if seal.Foreign {
			detail = "Plan again. A plan of another machine is applied by the digest that you reviewed: kplan apply --expect DIGEST FILE."
		}
		err = coded(6, seal.Error(), detail)
	case errors.As(err, &format):
		err = coded(5, format.Error(), "Plan again with this kplan.")
	case errors.Is(err, context.Canceled):
		err = coded(130, "interrupted", "")
	default:
		err = problem(err.Error(), "")
	}
	errors.As(err, &said)
	return said.diags
}
