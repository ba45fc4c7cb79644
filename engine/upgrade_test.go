package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/modules"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
)

// older and newer are one type, which has got an attribute more.
type older struct {
	Text string `cty:"text" kplan:"required"`
}

func (b older) Read(context.Context, host.Host) (*older, error) { return &b, nil }
func (b older) Apply(context.Context, host.Host, *older) error  { return nil }

type newer struct {
	Text string  `cty:"text" kplan:"required"`
	Node *string `cty:"node" kplan:"computed,stable"`
}

func (b newer) Read(context.Context, host.Host) (*newer, error) {
	node := "n"
	return &newer{Text: b.Text, Node: &node}, nil
}
func (b newer) Apply(context.Context, host.Host, *newer) error { return nil }
func (b newer) Delete(context.Context, host.Host) error        { return nil }
func (b newer) Peers() []string                                { return nil }
func (b newer) Claims() []string                               { return nil }

// What an earlier version recorded lacks attributes that a type has by now.
func TestATypeGetsAnAttribute(t *testing.T) {
	const text = "resource \"thing\" \"x\" {\n  on   = hosts\n  text = \"x\"\n}\n"
	w := newWorld(t, "a")
	w.types = modules.NewCatalog(append(modules.All(), resource.Define[older]("thing"))...)
	w.spec(text)
	w.apply()
	w.types = modules.NewCatalog(append(modules.All(), resource.Define[newer]("thing"))...)
	w.wantSteps()
	const uses = "resource \"file\" \"uses\" {\n  on      = hosts\n  path    = \"/etc/uses\"\n  content = thing.x.node\n}\n"
	for _, text := range []string{text + uses, strings.Replace(text, "\"x\"\n}", "\"other\"\n}", 1) + uses} {
		w.spec(text)
		p, _ := w.planWith(func(in *engine.PlanInput) { in.Offline = true })
		if got := steps(p); !slices.Contains(got, "create file.uses@a") {
			t.Errorf("without contact: %q", got)
		}
		p.Close()
	}
	w.spec("")
	w.wantSteps("forget thing.x@a")
	w.spec(text)
	w.apply()
	w.wantSteps()
}

// unmarked is an earlier version of ringed, which did not say which ring it is.
type unmarked struct{}

func (u unmarked) Read(ctx context.Context, h host.Host) (*unmarked, error) {
	f, err := host.Read(ctx, h, ringFile)
	if err != nil || f[0] == nil {
		return nil, err
	}
	return &u, nil
}

func (u unmarked) Apply(ctx context.Context, h host.Host, _ *unmarked) error {
	_, err := h.Do(ctx, host.WriteFile{Path: ringFile, Content: []byte("of gold"), Mode: 0o644})
	return err
}

// So may what the members of one thing have in common.
func TestMembersGetAnAttributeInCommon(t *testing.T) {
	w := newWorld(t, "a", "b")
	w.types = modules.NewCatalog(append(modules.All(), resource.Define[unmarked]("ringed"))...)
	w.spec(ringOn("host.a"))
	w.apply()
	w.types = modules.NewCatalog(append(modules.All(), resource.Define[ringed]("ringed"))...)
	w.spec(ringOn("host.a", "host.b") + "output \"rings\" {\n  value = [for r in all.ringed.x : r.ring]\n}\n")
	p, _ := w.planWith(func(in *engine.PlanInput) { in.Offline = true })
	if got := steps(p); !slices.Equal(got, []string{"create ringed.x@b"}) {
		t.Errorf("without contact: %q", got)
	}
	if c, _ := p.Plan.Change(p.Plan.Steps()[0].Addr); !c.After.Open("ring") {
		t.Errorf("the ring is known to be %#v", c.After.Value)
	}
	p.Close()
	w.wantVia("create b join a")
	w.apply()
	w.wantVia()
}
