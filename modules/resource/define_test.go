package resource_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

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

// inspecting finds what its situation says is not known.
type inspecting struct {
	Name  string            `cty:"name" kplan:"id"`
	Owner *string           `cty:"owner"`
	Tags  map[string]string `cty:"tags"`
}

func (i inspecting) Read(context.Context, host.Host) (*inspecting, error) { return nil, nil }
func (i inspecting) Apply(context.Context, host.Host, *inspecting) error  { return nil }
func (i inspecting) Delete(context.Context, host.Host) error              { return nil }
func (i inspecting) Inspect(_ context.Context, _ host.Host, s resource.Situation) ([]resource.Finding, error) {
	return []resource.Finding{{Name: strings.Join(s.Unknown, " ")}}, nil
}

// What is null is told from what is not known yet.
func TestAnInspectionKnowsWhatIsNotKnown(t *testing.T) {
	typ := resource.Define[inspecting]("inspecting")
	none, texts := cty.NullVal(cty.String), cty.Map(cty.String)
	for want, values := range map[string][]cty.Value{
		"":           {none, cty.NullVal(texts)},
		"owner":      {cty.UnknownVal(cty.String), cty.MapValEmpty(cty.String)},
		"tags":       {none, cty.MapVal(map[string]cty.Value{"a": cty.StringVal("b"), "c": cty.UnknownVal(cty.String)})},
		"owner tags": {cty.UnknownVal(cty.String), cty.UnknownVal(texts)},
	} {
		object := cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal("x"), "owner": values[0], "tags": values[1]})
		list, err := typ.Inspect(t.Context(), nil, object, resource.Situation{})
		if err != nil || !slices.Equal(list, []resource.Finding{{Name: want}}) {
			t.Errorf("not known are %v, %v, not %q", list, err, want)
		}
	}
}

// A value that the struct cannot hold, which a state of another version may
// have, is an error where there is one to give.
func TestAValueThatTheStructCannotHoldIsAnError(t *testing.T) {
	typ := resource.Define[inspecting]("inspecting")
	object := cty.ObjectVal(map[string]cty.Value{"name": cty.ListValEmpty(cty.String), "owner": cty.NullVal(cty.String), "tags": cty.NullVal(cty.Map(cty.String))})
	if _, err := typ.Inspect(t.Context(), nil, object, resource.Situation{}); err == nil || !strings.Contains(err.Error(), "name") {
		t.Errorf("an inspection of it gives the error %v", err)
	}
	if err := typ.Delete(t.Context(), nil, object); err == nil || !strings.Contains(err.Error(), "name") {
		t.Errorf("its deletion gives the error %v", err)
	}
}
