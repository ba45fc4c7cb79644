package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/kplan/kplan/cmd/internal/view"
	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/plans"
)

// bind names in the plan what it was made from, and gives what is saved beside
// it. Its digest then names all of that too.
func (a *app) bind(planned *engine.Planned, in engine.PlanInput, o planOptions) (*plans.File, hcl.Diagnostics) {
	b, diags := a.spec.Bundle(in.Key)
	if o.out == "" { // nobody gets to see what is in the plan
		diags = slices.DeleteFunc(diags, func(d *hcl.Diagnostic) bool { return d.Severity == hcl.DiagWarning })
	}
	if diags.HasErrors() {
		return nil, diags
	}
	f, err := pack(b, in, o)
	if err != nil {
		return nil, append(diags, diagnose(err)...)
	}
	c := planned.Plan.Content()
	c.Base.Spec, c.Base.State = plans.FilesDigest(f.Sources), plans.BytesDigest(f.State)
	if c.Base.Variables, err = f.Meta.Digest(); err != nil {
		return nil, append(diags, diagnose(err)...)
	}
	p, err := plans.New(c)
	if err != nil {
		return nil, append(diags, diagnose(err)...)
	}
	planned.Plan = p
	return f, diags
}

// save writes a plan to a file.
func (a *app) save(p *plans.Plan, f *plans.File, key []byte, path string) error {
	if err := plans.Write(a.path(path), p, f, key); err != nil {
		return problem("The plan cannot be saved to "+path, capital(err.Error())+".")
	}
	return nil
}

// open reads a saved plan.
func (a *app) open(path string, key []byte, expect string) (*plans.Plan, *plans.File, error) {
	full := a.path(path)
	info, err := os.Stat(full)
	switch {
	case err != nil && os.IsNotExist(err):
		return nil, nil, problem("There is no plan file "+path, "Save a plan with:\n\n    kplan plan --out "+shellWord(path))
	case err != nil:
		return nil, nil, problem("The plan file "+path+" cannot be read", err.Error()+".")
	case !info.Mode().IsRegular():
		return nil, nil, coded(6, path+" is not a plan that kplan saved", "It is no regular file.")
	}
	return plans.Open(full, key, expect)
}

// reload loads the spec of a saved plan, from the sources inside it, and what
// else it was planned with.
func (a *app) reload(in *engine.PlanInput, saved *plans.Plan, file *plans.File) hcl.Diagnostics {
	b, snap, err := unpack(file)
	if err != nil {
		return diagnose(err)
	}
	options, err := restored(file.Meta.Options).input()
	if err != nil {
		return diagnose(err)
	}
	options.State, options.Key, options.Mode = snap, in.Key, saved.Mode()
	*in = options
	spec, diags := dsl.LoadBundle(b, in.Key, a.dir, a.options())
	a.spec, in.Spec = spec, spec
	for _, d := range diags {
		if dsl.Stale(d) {
			d.Extra = engine.CodeStale
		}
	}
	return diags
}

// writeTrace writes when each step of a run was under way.
func (a *app) writeTrace(path string, t *view.Tally) error {
	refused := func(err error) error {
		return problem("The trace "+path+" cannot be written", capital(err.Error())+".")
	}
	file, err := os.OpenFile(a.path(path), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return refused(err)
	}
	if err := view.Trace(file, t); err != nil {
		file.Close()
		return refused(err)
	}
	if err := file.Close(); err != nil {
		return refused(err)
	}
	return nil
}

// shellWord writes a file name so that a shell takes it as one word.
func shellWord(s string) string {
	plain := strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-/+=:@%,", r))
	}) < 0
	if s != "" && plain && !strings.HasPrefix(s, "-") {
		return s
	}
	if strings.HasPrefix(s, "-") {
		s = "." + string(filepath.Separator) + s
	}
	return fmt.Sprintf("'%s'", strings.ReplaceAll(s, "'", `'\''`))
}
