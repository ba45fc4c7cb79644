package resource

import (
	"context"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl/schema"
	"github.com/kplan/kplan/modules/host"
)

// Read reads the object that the ids of want name; a null object means there
// is none. Not for acts.
func (t *Type) Read(ctx context.Context, h host.Host, want cty.Value) (cty.Value, error) {
	return t.ops.read(ctx, h, want)
}

// Apply makes the machine as want says. prior is what was read, null to
// create. Not for acts.
func (t *Type) Apply(ctx context.Context, h host.Host, want, prior cty.Value) error {
	return t.ops.apply(ctx, h, want, prior)
}

// CanBatch reports whether several objects are made at once; see Batches.
func (t *Type) CanBatch() bool { return t.ops.applyAll != nil }

// ApplyAll makes the machine as all of wants say, in one act; priors are as
// those of Apply.
func (t *Type) ApplyAll(ctx context.Context, h host.Host, wants, priors []cty.Value) error {
	return t.ops.applyAll(ctx, h, wants, priors)
}

// Due reads whether the machine shows that the act want is due. For acts only.
func (t *Type) Due(ctx context.Context, h host.Host, want cty.Value) (Verdict, error) {
	return t.ops.due(ctx, h, want)
}

// Do does the act want. For acts only.
func (t *Type) Do(ctx context.Context, h host.Host, want cty.Value) (Outcome, error) {
	return t.ops.do(ctx, h, want)
}

// Validate checks what is wanted, as far as it is known; a *FieldError names
// the attribute.
func (t *Type) Validate(want cty.Value) error {
	if t.ops.validate == nil {
		return nil
	}
	return t.ops.validate(want)
}

// CanDelete reports whether the type knows how to delete its object.
func (t *Type) CanDelete() bool { return t.ops.del != nil }

// Delete removes the recorded object.
func (t *Type) Delete(ctx context.Context, h host.Host, recorded cty.Value) error {
	return t.ops.del(ctx, h, recorded)
}

// CanRelease reports whether the type is a Releaser.
func (t *Type) CanRelease() bool { return t.ops.release != nil }

// Release is that of Releaser, for a type that is one.
func (t *Type) Release(ctx context.Context, there host.Host, recorded cty.Value, gone LetGo) error {
	return t.ops.release(ctx, there, recorded, gone)
}

// Claims says what the object owns on its machine. Its ids must be known.
func (t *Type) Claims(want cty.Value) []string { return t.ops.claims(want) }

// RefreshWord is what a refresh does in one word, such as "restart"; "" where
// the type cannot be refreshed.
func (t *Type) RefreshWord() string { return t.ops.word }

// Refresh acts again on an object that is as wanted.
func (t *Type) Refresh(ctx context.Context, h host.Host, want cty.Value) error {
	return t.ops.refresh(ctx, h, want)
}

// Semaphores are the names of the semaphores of its machine that a step of the
// type holds.
func (t *Type) Semaphores() []string { return t.ops.semaphores }

// Peers are the other hosts on one of whose machines making or deleting the
// object acts too.
func (t *Type) Peers(object cty.Value) []string {
	if t.ops.peers == nil {
		return nil
	}
	return t.ops.peers(object)
}

// Inputs are the names of the attributes that an act is done for.
func (t *Type) Inputs() []string {
	if t.ops.inputs != nil {
		return t.ops.inputs
	}
	var names []string
	for _, a := range t.Schema.Attributes {
		if a.Mode != schema.Computed {
			names = append(names, a.Name)
		}
	}
	return names
}

// Condition says in words what the run decides the need of the act on; "" where
// it is not conditional.
func (t *Type) Condition(want cty.Value) string {
	if t.ops.condition == nil {
		return ""
	}
	return t.ops.condition(want)
}

// Disrupts says what changing prior (null to create) into want interrupts.
func (t *Type) Disrupts(want, prior cty.Value) []string {
	if t.ops.disrupts == nil {
		return nil
	}
	return t.ops.disrupts(want, prior)
}

// Refuses says why prior, which is there, cannot be made into want; "" where it
// can.
func (t *Type) Refuses(want, prior cty.Value) string {
	if t.ops.refuses == nil {
		return ""
	}
	return t.ops.refuses(want, prior)
}

// Keeps says why the object that was read cannot be deleted, given what the
// plan does around it; "" where nothing stands against it.
func (t *Type) Keeps(read cty.Value, o Outlook) string {
	if t.ops.keeps == nil {
		return ""
	}
	return t.ops.keeps(read, o)
}
