package engine_test

import (
	"context"
	"strings"
	"testing"

	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/modules"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
	"github.com/kplan/kplan/plans"
)

// fixed is a type whose version stays as it is.
type fixed struct {
	Path    string `cty:"path" kplan:"id"`
	Version string `cty:"version" kplan:"required"`
	Mark    string `cty:"mark" kplan:"default=1"` // beside it
}

func (f fixed) Read(ctx context.Context, h host.Host) (*fixed, error) {
	files, err := host.Read(ctx, h, f.Path)
	if err != nil || files[0] == nil {
		return nil, err
	}
	version, mark, _ := strings.Cut(string(files[0].Content), " ")
	return &fixed{Path: f.Path, Version: version, Mark: mark}, nil
}

func (f fixed) Apply(ctx context.Context, h host.Host, _ *fixed) error {
	_, err := h.Do(ctx, host.WriteFile{Path: f.Path, Content: []byte(f.Version + " " + f.Mark), Mode: 0o644})
	return err
}

func (f fixed) Delete(ctx context.Context, h host.Host) error {
	_, err := h.Do(ctx, host.Remove{Path: f.Path})
	return err
}

func (f fixed) Refuses(prior *fixed) string {
	if f.Version != prior.Version {
		return "It is of version " + prior.Version + ", which stays."
	}
	return ""
}

const aFixed = `
variable "version" {
  default = "1"
}
resource "fixed" "it" {
  on      = host.a
  path    = "/etc/fixed"
  version = var.version
}
resource "file" "beside" {
  on      = host.b
  path    = "/etc/beside"
  content = var.version
}
`

// What a type refuses is refused wherever it is recorded, also where the plan
// does not come to it: what is beside it would go ahead alone.
func TestARefusalOfWhatThePlanDoesNotComeTo(t *testing.T) {
	binding := []resource.Option{resource.Binding}
	second := strings.Replace(aFixed, `= "1"`, `= "2"`, 1)
	for name, tt := range map[string]struct {
		spec    string
		arrange func(*world)
		choose  func(*engine.PlanInput)
		refused bool
		opts    []resource.Option
	}{
		"it comes to it":  {second, nil, asItIs, true, binding},
		"withheld":        {second, func(w *world) { w.down["a"] = true }, asItIs, true, binding},
		"another target":  {second, nil, func(in *engine.PlanInput) { in.Targets = targets(t, "file.beside@b") }, true, binding},
		"excluded":        {second, nil, func(in *engine.PlanInput) { in.Excludes = targets(t, "fixed.it@a") }, true, binding},
		"offline":         {second, nil, func(in *engine.PlanInput) { in.Offline = true }, true, binding},
		"a look":          {second, nil, func(in *engine.PlanInput) { in.Mode = plans.RefreshOnly }, false, binding},
		"a destroy":       {second, nil, func(in *engine.PlanInput) { in.Mode = plans.Destroy }, false, binding},
		"as recorded":     {aFixed, func(w *world) { w.down["a"] = true }, asItIs, false, binding},
		"made there now":  {second, func(w *world) { w.machines["a"].RemoveAll("/etc/fixed") }, asItIs, false, binding},
		"another object":  {strings.Replace(second, "/etc/fixed", "/etc/other", 1), func(w *world) { w.down["a"] = true }, asItIs, false, binding},
		"ignored":         {strings.Replace(second, "  path    = \"/etc/fixed\"", "  path = \"/etc/fixed\"\n  lifecycle {\n    ignore_changes = [version]\n  }", 1), func(w *world) { w.down["a"] = true }, asItIs, false, binding},
		"not known":       {strings.Replace(second, "version = var.version", "version = facts[\"b\"].hostname", 1), func(w *world) { w.down["a"], w.down["b"] = true, true }, asItIs, false, binding},
		"not in the spec": {"", func(w *world) { w.down["a"] = true }, asItIs, false, binding},
		"ignored, and changed by hand": {
			strings.Replace(second, "  path    = \"/etc/fixed\"", "  path = \"/etc/fixed\"\n  mark = \"2\"\n  lifecycle {\n    ignore_changes = [version]\n  }", 1), nil, asItIs, false, nil,
		},
		"a type of its own":           {second, nil, asItIs, true, nil},
		"a type of its own, withheld": {second, func(w *world) { w.down["a"] = true }, asItIs, false, nil},
		"a type of its own, excluded": {second, nil, func(in *engine.PlanInput) { in.Excludes = targets(t, "fixed.it@a") }, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "a", "b")
			w.types = modules.NewCatalog(append(modules.All(), resource.Define[fixed]("fixed", tt.opts...))...)
			w.spec(aFixed)
			w.apply()
			w.spec(tt.spec)
			if tt.arrange != nil {
				tt.arrange(w)
			}
			in := w.input()
			tt.choose(&in)
			p, diags := w.engine().Plan(t.Context(), in)
			defer p.Close()
			if !tt.refused {
				w.noErrors(diags)
				return
			}
			if len(diags.Errs()) != 1 || diags[0].Summary != "Change not possible" || diags[0].Detail != "On host a: It is of version 1, which stays." || diags[0].Subject == nil {
				t.Errorf("diagnostics %v", diags)
			}
		})
	}
}
