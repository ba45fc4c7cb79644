package laws

import (
	"errors"
	"testing"

	"github.com/kplan/kplan/modules/host"
)

// TestFence has two runs of one state on a machine: the later one has taken it
// over, and nothing of the earlier one passes.
func TestFence(t *testing.T) {
	s := first(t)
	earlier, later := s.open(t, root), s.open(t, ops)
	low := host.Fence{Lineage: "one", Epoch: 5, Run: "earlier"}
	high := host.Fence{Lineage: "one", Epoch: 6, Run: "later"}
	for _, c := range []struct {
		session host.Session
		fence   host.Fence
	}{{earlier, low}, {later, high}} {
		if err := c.session.Claim(t.Context(), c.fence); err != nil {
			t.Fatal(err)
		}
		id := host.ActID{Run: c.fence.Run}
		if _, err := act(t.Context(), c.session, id, c.fence.Epoch, host.WriteFile{Path: "/var/lib/law", Mode: 0o644}); err != nil {
			t.Errorf("the run %s, which has the machine: %v", c.fence.Run, err)
		}
	}
	before := s.snapshot(t)
	refused := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, host.ErrFenced) {
			t.Errorf("%s of the earlier run gives the error %v", what, err)
		}
	}
	for what, op := range map[string]host.Op{
		"a file":            host.WriteFile{Path: "/var/lib/law", Content: []byte("earlier"), Mode: 0o644},
		"a directory":       host.MakeDir{Path: "/var/lib/law.d", Mode: 0o755},
		"a removal":         host.Remove{Path: "/var/lib/law"},
		"a command":         host.Run{Argv: []string{"touch", "/var/lib/law"}},
		"a detached act":    host.Run{Argv: []string{"touch", "/var/lib/law"}, Detached: true},
		"one with an input": host.Run{Argv: []string{"tee", "/var/lib/law"}, Stdin: []byte("earlier"), Env: []string{"A=b"}},
	} {
		_, err := act(t.Context(), earlier, host.ActID{Run: low.Run, Step: 1}, low.Epoch, op)
		refused(what, err)
	}
	refused("the claim", earlier.Claim(t.Context(), low))
	refused("the receipt", earlier.Sign(t.Context(), host.Receipt{Lineage: low.Lineage, Epoch: low.Epoch, Run: low.Run}, []host.ActID{{Run: high.Run}}))
	s.same(t, "a fenced run", before)
	contact, err := s.open(t, root).Contact(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if contact.Fence == nil || *contact.Fence != high || contact.Receipt != nil {
		t.Errorf("the machine has the fence %v and the receipt %v", contact.Fence, contact.Receipt)
	}
	if _, err := act(t.Context(), later, host.ActID{Run: high.Run, Step: 1}, high.Epoch, host.Remove{Path: "/var/lib/law"}); err != nil {
		t.Errorf("the later run cannot act any more: %v", err)
	}
}

// TestForeignAct has another state take a machine over: not while an act of
// the first still runs there.
func TestForeignAct(t *testing.T) {
	s := first(t)
	mine, theirs := s.open(t, root), s.open(t, root)
	one, two := host.Fence{Lineage: "one", Epoch: 9, Run: "mine"}, host.Fence{Lineage: "two", Epoch: 1, Run: "theirs"}
	if err := mine.Claim(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	id := host.ActID{Run: one.Run, Step: 1}
	end := s.started(t, mine, id, one.Epoch, actTakes())
	before := s.snapshot(t)
	if err := theirs.Claim(t.Context(), two); !errors.Is(err, host.ErrFenced) {
		t.Errorf("while an act of another state runs, Claim gives the error %v", err)
	} else {
		t.Log(err)
	}
	s.same(t, "a refused claim", before)
	if err := <-end; err != nil {
		t.Errorf("the act that ran: %v", err)
	}
	s.once(t)
	if err := theirs.Claim(t.Context(), two); err != nil {
		t.Errorf("once the act is over, Claim gives the error %v", err)
	}
	if _, err := act(t.Context(), mine, host.ActID{Run: one.Run, Step: 2}, one.Epoch, host.Remove{Path: counter}); !errors.Is(err, host.ErrFenced) {
		t.Errorf("once another state has the machine, an act of the first gives the error %v", err)
	}
	s.once(t)
}
