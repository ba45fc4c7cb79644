package engine

import (
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/plans"
)

func TestSettle(t *testing.T) {
	const (
		create = plans.Create
		update = plans.Update
		del    = plans.Delete
	)
	tests := []struct {
		name string
		in   situation
		want verdict
	}{
		{"as printed", situation{action: update, object: asBefore}, act},
		{"as printed, after other steps", situation{action: update, object: asBefore, touched: true}, act},
		{"as planned already", situation{action: create, object: asAfter}, already},
		{"deleted already", situation{action: del, object: asAfter}, already},

		{"concluded by the run that was cut off", situation{action: plans.Replace, strict: true, object: other, over: true}, already},
		{"changed by this run: a create becomes an update", situation{action: create, object: other, touched: true}, adjust},
		{"changed by this run: an update from another before", situation{action: update, object: other, touched: true}, adjust},
		{"changed by this run: an update becomes a create", situation{action: update, object: missing, touched: true}, adjust},
		{"changed by nobody we know", situation{action: update, object: other}, stale},
		{"strict steps need exactly what was printed", situation{action: update, strict: true, object: other, touched: true}, stale},
		{"a delete is strict", situation{action: del, object: other, touched: true}, stale},
		{"a replacement is strict", situation{action: plans.Replace, object: other, touched: true}, stale},

		{"cut off, and done all the same", situation{action: create, object: asAfter, left: cutOff}, adopted},
		{"cut off before it began", situation{action: create, object: asBefore, left: unbegun}, act},
		{"cut off in the middle", situation{action: create, object: asBefore, left: cutOff}, act},
		{"cut off, object half made", situation{action: create, object: other, left: cutOff}, adjust},
		{"its act still runs", situation{action: create, object: asBefore, left: running}, adopt},
		{"an act ended well unseen", situation{action: create, isAct: true, object: asBefore, left: ended}, adopt},
		{"an act failed unseen", situation{action: create, isAct: true, object: asBefore, left: failedAct}, act},
		{"a thing's act ended and the object is not as planned", situation{action: create, object: asBefore, left: ended}, act},

		{"once: not begun", situation{action: create, once: true, strict: true, object: asBefore, left: unbegun}, act},
		{"once: done", situation{action: create, once: true, strict: true, object: asAfter, left: cutOff}, adopted},
		{"once: cannot tell", situation{action: create, once: true, strict: true, object: asBefore, left: cutOff}, diagnose},
		{"once: failed", situation{action: create, once: true, strict: true, object: other, left: failedAct}, diagnose},
		{"once: still runs", situation{action: create, once: true, strict: true, object: asBefore, left: running}, adopt},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := settle(tt.in); got != tt.want {
				t.Errorf("settle(%+v) = %s, want %s", tt.in, got, tt.want)
			}
		})
	}
}

func TestLiken(t *testing.T) {
	obj := func(mode string) plans.Object {
		return plans.Object{Value: cty.ObjectVal(map[string]cty.Value{"path": cty.StringVal("/a"), "mode": cty.StringVal(mode)})}
	}
	moved := plans.Change{Action: plans.Replace, Moved: true, Before: obj("1"), After: obj("2")}
	onto := moved
	onto.Standing = obj("3")
	for name, tt := range map[string]struct {
		change      plans.Change
		old, actual plans.Object
		want        likeness
	}{
		"as read":                         {moved, obj("1"), plans.None, asBefore},
		"moved already":                   {moved, plans.None, obj("2"), asAfter},
		"gone, and not there yet":         {moved, plans.None, plans.None, missing},
		"changed where it was":            {moved, obj("2"), plans.None, other},
		"something came to where it goes": {moved, obj("1"), obj("3"), other},
		"onto what stood there":           {onto, obj("1"), obj("3"), asBefore},
		"what stood there is gone":        {onto, obj("1"), plans.None, other},
	} {
		if got := liken(tt.change, reading{before: tt.actual, old: tt.old}); got != tt.want {
			t.Errorf("an identity that changes, %s: %s, want %s", name, got, tt.want)
		}
	}
	tests := []struct {
		name   string
		change plans.Change
		actual plans.Object
		want   likeness
	}{
		{"nothing, to be created", plans.Change{Action: plans.Create, After: obj("1")}, plans.None, asBefore},
		{"there already", plans.Change{Action: plans.Create, After: obj("1")}, obj("1"), asAfter},
		{"there, and other", plans.Change{Action: plans.Create, After: obj("1")}, obj("2"), other},
		{"as read", plans.Change{Action: plans.Update, Before: obj("1"), After: obj("2")}, obj("1"), asBefore},
		{"updated already", plans.Change{Action: plans.Update, Before: obj("1"), After: obj("2")}, obj("2"), asAfter},
		{"gone, to be updated", plans.Change{Action: plans.Update, Before: obj("1"), After: obj("2")}, plans.None, missing},
		{"gone, to be deleted", plans.Change{Action: plans.Delete, Before: obj("1")}, plans.None, asAfter},
		{"changed, to be deleted", plans.Change{Action: plans.Delete, Before: obj("1")}, obj("2"), other},
		{"to be forgotten", plans.Change{Action: plans.Forget, Before: obj("1")}, obj("2"), asBefore},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := liken(tt.change, reading{before: tt.actual}); got != tt.want {
				t.Errorf("liken = %s, want %s", got, tt.want)
			}
		})
	}
}
