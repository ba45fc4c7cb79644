package engine_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/modules"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/modules/resource"
)

// founding is a type that must happen only once, and leaves a file when it has.
type founding struct {
	Path string `cty:"path" kplan:"id"`
}

func (f founding) Read(ctx context.Context, h host.Host) (*founding, error) {
	files, err := host.Read(ctx, h, f.Path)
	if err != nil || files[0] == nil {
		return nil, err
	}
	return &f, nil
}

func (f founding) Apply(ctx context.Context, h host.Host, _ *founding) error {
	_, err := h.Do(ctx, host.Run{Argv: []string{"/bin/sh", "-c", "found"}, Detached: true})
	return err
}

// A founding whose run was cancelled is taken over where it comes to its end,
// and never repeated on a guess where it does not.
func TestOnceIsNeverRepeatedOnAGuess(t *testing.T) {
	for name, tt := range map[string]struct {
		end     func(m *hosttest.Machine, release func()) // of the founding, before the next run comes to it
		code    int
		adopted bool
	}{
		"it ends well":          {func(_ *hosttest.Machine, release func()) { release() }, 0, true},
		"it ends badly":         {func(_ *hosttest.Machine, release func()) { release() }, 1, false},
		"it is killed":          {func(m *hosttest.Machine, _ func()) { m.Interrupt() }, 0, false},
		"the machine restarts":  {func(m *hosttest.Machine, _ func()) { m.Reboot() }, 0, false},
		"it ends badly, waited": {nil, 1, false},
		"it ends well, waited":  {nil, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, "a")
				m, ran := w.machines["a"], 0
				w.types = modules.NewCatalog(append(modules.All(), resource.Define[founding]("founding", resource.Once))...)
				m.Script("found", func(c *hosttest.Call) host.Output {
					ran++
					if tt.code == 0 {
						if err := c.Write("/etc/founded", "yes\n"); err != nil {
							t.Error(err)
						}
					}
					return host.Output{Code: tt.code}
				})
				w.spec("resource \"founding\" \"x\" {\n  on   = hosts\n  path = \"/etc/founded\"\n}\n")
				entered, release := m.Block(isDetached)
				ctx, cancel := context.WithCancel(t.Context())
				go func() { <-entered; cancel() }()
				w.runIn(ctx, w.plan())
				if tt.end != nil {
					tt.end(m, release)
					synctest.Wait()
				} else {
					go func() { release() }()
				}
				p := w.plan()
				r, diags := w.run(p)
				done := r.Counts[event.Adopted] + r.Counts[event.Already]
				if tt.adopted && (done != len(p.Plan.Steps()) || diags.HasErrors()) {
					t.Errorf("counts %v, diagnostics %v", r.Counts, diags)
				}
				if !tt.adopted && (r.Counts[event.Failed] != 1 || diags[0].Extra != engine.CodeIncomplete || !strings.Contains(diags.Error(), "kplan state rm 'founding.x@a'")) {
					t.Errorf("counts %v, diagnostics %v", r.Counts, diags)
				}
				if ran > 1 {
					t.Errorf("it ran %d times", ran)
				}
			})
		})
	}
}
