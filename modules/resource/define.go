package resource

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl/schema"
	"github.com/kplan/kplan/modules/host"
)

// Type is a resource type as the engine uses it. Its methods take objects:
// unmarked cty values of the type's schema.
type Type struct {
	Name   string
	Schema *schema.Schema
	// IsAct tells an act from a thing.
	IsAct bool
	// Once marks a type whose act is never repeated on a guess.
	Once bool
	// Merges marks a type that changes part of what others may change too: its
	// steps are strict.
	Merges bool
	// Shared marks a type whose object is the same one on every host of its
	// resource.
	Shared bool
	// Restarts marks an act that ends with a restart of its machine.
	Restarts bool
	// Binding marks a type whose refusal of a change is one of the whole plan.
	Binding bool

	ops ops
}

// ops are the functions of a type over cty values; nil where the type does not
// have the power.
type ops struct {
	read       func(ctx context.Context, h host.Host, want cty.Value) (cty.Value, error)
	apply      func(ctx context.Context, h host.Host, want, prior cty.Value) error
	applyAll   func(ctx context.Context, h host.Host, wants, priors []cty.Value) error
	due        func(ctx context.Context, h host.Host, want cty.Value) (Verdict, error)
	do         func(ctx context.Context, h host.Host, want cty.Value) (Outcome, error)
	validate   func(want cty.Value) error
	del        func(ctx context.Context, h host.Host, recorded cty.Value) error
	release    func(ctx context.Context, there host.Host, recorded cty.Value, gone LetGo) error
	claims     func(want cty.Value) []string
	refresh    func(ctx context.Context, h host.Host, want cty.Value) error
	word       string
	semaphores []string
	peers      func(want cty.Value) []string
	inputs     []string
	condition  func(want cty.Value) string
	disrupts   func(want, prior cty.Value) []string
	refuses    func(want, prior cty.Value) string
	keeps      func(read cty.Value, o Outlook) string
	via        func(object cty.Value, here string, fellows []Fellow[cty.Value]) (Via, error)
	inspect    func(ctx context.Context, h host.Host, want cty.Value, s Situation) ([]Finding, error)
}

// Option is a property that a type is defined with.
type Option func(*Type)

// Once marks a type whose act must happen once only, such as kubeadm init: an
// interrupted one is never repeated on a guess.
func Once(t *Type) { t.Once = true }

// Merges marks a type that writes into content which others write too, such as
// one line of a file.
func Merges(t *Type) { t.Merges = true }

// Restarts marks an act that ends with host.Restart: where it was begun and the
// machine is in another boot since, it was done. It is not begun again.
func Restarts(t *Type) { t.Restarts = true }

// Binding marks a type whose refusal of a change binds all of a plan, also one
// that leaves the object out: what is beside it would go ahead without it, such as
// the packages of a cluster whose version cannot change.
func Binding(t *Type) { t.Binding = true }

// Change is what Apply is called with: what is wanted, and what was read, nil to
// create.
type Change[T any] struct {
	Want  T
	Prior *T
}

// Batches marks a type of which several objects of a machine are made at once,
// at less cost than one after the other: applyAll does what Apply would do of
// each. It may fail as a whole, and then leave some of it done: each is applied
// by itself.
func Batches[T any](applyAll func(ctx context.Context, h host.Host, changes []Change[T]) error) Option {
	return func(t *Type) {
		t.ops.applyAll = func(ctx context.Context, h host.Host, wants, priors []cty.Value) error {
			changes := make([]Change[T], len(wants))
			for i := range changes {
				err := t.Schema.ToGo(wants[i], &changes[i].Want)
				if err != nil {
					return err
				}
				if changes[i].Prior, err = pointer[T](t.Schema, priors[i]); err != nil {
					return err
				}
			}
			return applyAll(ctx, h, changes)
		}
	}
}

// Define makes the resource type called name of the struct T.
func Define[T Thing[T]](name string, opts ...Option) *Type {
	t := define[T](name, opts)
	t.ops.read = func(ctx context.Context, h host.Host, want cty.Value) (cty.Value, error) {
		var w T
		if err := t.Schema.ToGo(want, &w); err != nil {
			return cty.NilVal, err
		}
		got, err := w.Read(ctx, h)
		if err != nil {
			return cty.NilVal, err
		}
		if got == nil {
			return cty.NullVal(t.Schema.Object()), nil
		}
		return t.Schema.FromGo(*got)
	}
	t.ops.apply = func(ctx context.Context, h host.Host, want, prior cty.Value) error {
		var w T
		if err := t.Schema.ToGo(want, &w); err != nil {
			return err
		}
		p, err := pointer[T](t.Schema, prior)
		if err != nil {
			return err
		}
		return w.Apply(ctx, h, p)
	}
	return t
}

// DefineAct makes the act called name of the struct T.
func DefineAct[T Act[T]](name string, opts ...Option) *Type {
	t := define[T](name, opts)
	t.IsAct = true
	t.ops.due = func(ctx context.Context, h host.Host, want cty.Value) (Verdict, error) {
		var w T
		if err := t.Schema.ToGo(want, &w); err != nil {
			return "", err
		}
		return w.Due(ctx, h)
	}
	t.ops.do = func(ctx context.Context, h host.Host, want cty.Value) (Outcome, error) {
		var w T
		if err := t.Schema.ToGo(want, &w); err != nil {
			return "", err
		}
		return w.Do(ctx, h)
	}
	return t
}

// Shared marks a type whose object is of something larger than the machine, such
// as the objects of a cluster, and is the same one on every host of its resource:
// where the resource goes on to another host, the object stays.
func Shared(t *Type) { t.Shared = true }

func define[T any](name string, opts []Option) *Type {
	var zero T
	t := &Type{Name: name, Schema: schema.Of(reflect.TypeFor[T]())}
	for _, o := range opts {
		o(t)
	}
	into := func(v cty.Value) (T, error) { // what is not known yet is left zero
		var w T
		err := t.Schema.ToGo(v, &w)
		return w, err
	}
	known := func(v cty.Value) T { // of a value that fits: see schema.Attribute.Fits
		w, err := into(v)
		if err != nil {
			panic("resource: " + t.Name + ": " + err.Error())
		}
		return w
	}
	t.ops.claims = t.claimIDs
	if _, ok := power[Validator](zero); ok {
		t.ops.validate = func(want cty.Value) error {
			w, err := into(want)
			if err != nil {
				return err
			}
			return any(w).(Validator).Validate(func(attr string) bool {
				return !want.GetAttr(attr).IsWhollyKnown()
			})
		}
	}
	if _, ok := power[Deleter](zero); ok {
		t.ops.del = func(ctx context.Context, h host.Host, recorded cty.Value) error {
			w, err := into(recorded)
			if err != nil {
				return err
			}
			return any(w).(Deleter).Delete(ctx, h)
		}
	}
	if _, ok := power[Releaser](zero); ok {
		t.ops.release = func(ctx context.Context, there host.Host, recorded cty.Value, gone LetGo) error {
			w, err := into(recorded)
			if err != nil {
				return err
			}
			return any(w).(Releaser).Release(ctx, there, gone)
		}
	}
	if _, ok := power[Claimer](zero); ok {
		t.ops.claims = func(want cty.Value) []string { return any(known(want)).(Claimer).Claims() }
	}
	if r, ok := power[Refresher](zero); ok {
		t.ops.word = r.RefreshWord()
		t.ops.refresh = func(ctx context.Context, h host.Host, want cty.Value) error {
			w, err := into(want)
			if err != nil {
				return err
			}
			return any(w).(Refresher).Refresh(ctx, h)
		}
	}
	if s, ok := power[Semaphorer](zero); ok {
		t.ops.semaphores = s.Semaphores()
	}
	if _, ok := power[Peerer](zero); ok {
		t.ops.peers = func(want cty.Value) []string { return any(known(want)).(Peerer).Peers() }
	}
	if in, ok := power[Inputer](zero); ok {
		t.ops.inputs = in.Inputs()
	}
	if _, ok := power[Conditional](zero); ok {
		t.ops.condition = func(want cty.Value) string { return any(known(want)).(Conditional).Condition() }
	}
	if _, ok := power[Disrupter[T]](zero); ok {
		t.ops.disrupts = func(want, prior cty.Value) []string {
			p, err := pointer[T](t.Schema, prior)
			if err != nil {
				panic("resource: " + t.Name + ": " + err.Error())
			}
			return any(known(want)).(Disrupter[T]).Disrupts(p)
		}
	}
	if _, ok := power[Refuser[T]](zero); ok {
		t.ops.refuses = func(want, prior cty.Value) string {
			p := known(prior)
			return any(known(want)).(Refuser[T]).Refuses(&p)
		}
	}
	if _, ok := power[Inspector](zero); ok {
		t.ops.inspect = func(ctx context.Context, h host.Host, want cty.Value, s Situation) ([]Finding, error) {
			w, err := into(want)
			if err != nil {
				return nil, err
			}
			for _, a := range t.Schema.Attributes {
				if !want.GetAttr(a.Name).IsWhollyKnown() {
					s.Unknown = append(s.Unknown, a.Name)
				}
			}
			return any(w).(Inspector).Inspect(ctx, h, s)
		}
	}
	if _, ok := power[Keeper[T]](zero); ok {
		t.ops.keeps = func(read cty.Value, o Outlook) string {
			return any(known(read)).(Keeper[T]).Keeps(o)
		}
	}
	if _, ok := power[Router[T]](zero); ok {
		t.ops.via = func(object cty.Value, here string, fellows []Fellow[cty.Value]) (Via, error) {
			of := make([]Fellow[T], len(fellows))
			for i, f := range fellows {
				of[i] = Fellow[T]{Host: f.Host, Unseen: f.Unseen, Leaves: f.Leaves, LetGo: f.LetGo}
				if f.Object != nil {
					o := known(*f.Object)
					of[i].Object = &o
				}
			}
			return any(known(object)).(Router[T]).Via(here, of)
		}
	}
	return t
}

// power is v as an optional power of its type. A method with the name of one and
// another signature would be passed over in silence: a bug in the type.
func power[P any](v any) (P, bool) {
	p, ok := v.(P)
	want := reflect.TypeFor[P]()
	for i := range want.NumMethod() {
		name := want.Method(i).Name
		if _, has := reflect.TypeOf(v).MethodByName(name); has && !ok {
			panic(fmt.Sprintf("resource: %T has a method %s that is not the one of %s", v, name, want.Name()))
		}
	}
	return p, ok
}

func pointer[T any](s *schema.Schema, v cty.Value) (*T, error) {
	if v == cty.NilVal || v.IsNull() {
		return nil, nil
	}
	p := new(T)
	return p, s.ToGo(v, p)
}

func (t *Type) claimIDs(want cty.Value) []string {
	var ids []string
	for _, a := range t.Schema.Attributes {
		if a.Mode == schema.ID {
			ids = append(ids, text(want.GetAttr(a.Name)))
		}
	}
	if len(ids) == 0 {
		return []string{t.Name}
	}
	return []string{t.Name + " " + strings.Join(ids, " ")}
}

func text(v cty.Value) string {
	if v.Type() == cty.String && v.IsKnown() && !v.IsNull() {
		return v.AsString()
	}
	return fmt.Sprintf("%#v", v)
}
