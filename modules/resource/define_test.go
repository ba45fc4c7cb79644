package resource_test

import (
	"context"
	"strings"
	"testing"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
)

// mistaken has a method with the name of a power and another signature.
type mistaken struct {
	Name string `cty:"name" kplan:"id"`
}

func (m mistaken) Read(context.Context, host.Host) (*mistaken, error) { return nil, nil }
func (m mistaken) Apply(context.Context, host.Host, *mistaken) error  { return nil }
func (m mistaken) Keeps(func(path string) bool) string                { return "it stays" }

func TestAPowerWithAnotherSignatureIsABug(t *testing.T) {
	defer func() {
		if msg, _ := recover().(string); !strings.Contains(msg, "has a method Keeps that is not the one of Keeper") {
			t.Errorf("panic: %q", msg)
		}
	}()
	resource.Define[mistaken]("mistaken")
}
