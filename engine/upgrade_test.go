package engine_test

import (
	"context"
	"testing"

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
	w.spec("")
	w.wantSteps("forget thing.x@a")
	w.spec(text)
	w.apply()
	w.wantSteps()
}
