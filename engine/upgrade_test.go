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
