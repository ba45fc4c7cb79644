package kubeadm

import (
	"strings"
	"testing"

	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/modules/resource"
)

// dead is control planes a, b and c, of which c is off; release takes it out
// through a, as it is recorded.
func dead(t *testing.T) (a *hosttest.Machine, release func() error) {
	t.Helper()
	ms, _ := planes(t, 3, "a", "b", "c")
	recorded, err := controlPlaneWanted().Read(t.Context(), ms[2].Reader())
	if err != nil {
		t.Fatal(err)
	}
	facts, err := ms[2].Session().Contact(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	goesDown(ms[0], "c")
	return ms[0], func() error {
		return recorded.Release(t.Context(), ms[0].Host(), resource.LetGo{Host: "host-c", MachineID: facts.MachineID})
	}
}

func goesDown(plane *hosttest.Machine, names ...string) {
	all := plane.Members()
	for i := range all {
		all[i].Down = strings.Contains(strings.Join(names, " "), all[i].Name)
	}
	plane.SetMembers(all...)
}

func TestADeadMemberIsTakenOut(t *testing.T) {
	a, release := dead(t)
	a.RemoveAll("/var/backups/etcd")
	if err := release(); err != nil || members(a) != "a b" || strings.Join(a.Nodes(), " ") != "a b" {
		t.Errorf("%v, members %q, nodes %q", err, members(a), a.Nodes())
	}
	if a.File("/var/backups/etcd") == nil {
		t.Error("no snapshot was taken before")
	}
	if err := release(); err != nil || members(a) != "a b" {
		t.Errorf("again: %v, members %q", err, members(a))
	}
}

// What was cut off anywhere is gone on with.
func TestADeadMemberIsTakenOutAfterACut(t *testing.T) {
	for n := 1; ; n++ {
		for _, done := range []bool{false, true} {
			a, release := dead(t)
			a.Arrange(hosttest.Fault{Op: n, Done: done})
			err := release()
			cut := !a.Pending()
			a.Forgive()
			if cut != (err != nil) {
				t.Fatalf("cut at %d: %v", n, err)
			}
			if err := release(); err != nil || members(a) != "a b" || strings.Join(a.Nodes(), " ") != "a b" {
				t.Errorf("cut at %d, done %v: %v, members %q, nodes %q", n, done, err, members(a), a.Nodes())
			}
			if !cut {
				return
			}
		}
	}
}

// A majority of etcd has to answer, before as after; the member that goes counts
// as it is.
func TestADeadMemberIsTakenOutByAMajority(t *testing.T) {
	for what, c := range map[string]struct {
		down string
		want string
	}{
		"it is off":                    {"c", ""},
		"it is alive after all":        {"", ""},
		"another one is off":           {"b", "of its 2 members 1 answer, and 2 have to before c leaves"},
		"another one is off beside it": {"b c", "of its 3 members 1 answer, and 2 have to before c leaves"},
	} {
		a, release := dead(t)
		goesDown(a, strings.Fields(c.down)...)
		err := release()
		left := members(a) == "a b" && strings.Join(a.Nodes(), " ") == "a b"
		if err != nil && (strings.Contains(err.Error(), "Bring the others back") || !strings.Contains(err.Error(), "kplan-etcd restore --alone")) {
			t.Errorf("%s: those that are let go do not come back: %v", what, err)
		}
		if (err == nil) != (c.want == "") || left != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, members %q, nodes %q", what, err, members(a), a.Nodes())
		}
	}
}

// The node of that name may be another machine by now, and one that was recorded
// without a name is called as its host.
func TestWhoseNodeItIs(t *testing.T) {
	ctx, plane, worker := worlds(t)
	if err := joinWanted().Apply(ctx, worker.Host(), nil); err != nil {
		t.Fatal(err)
	}
	contact, err := worker.Session().Contact(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	name := "worker"
	for _, c := range []struct {
		what string
		node *string
		gone resource.LetGo
		left string
	}{
		{"another machine", &name, resource.LetGo{Host: "w", MachineID: "another"}, "plane worker"},
		{"another name", nil, resource.LetGo{Host: "w", MachineID: contact.MachineID}, "plane worker"},
		{"without a name", nil, resource.LetGo{Host: "worker", MachineID: contact.MachineID}, "plane"},
		{"again", &name, resource.LetGo{Host: "w", MachineID: contact.MachineID}, "plane"},
	} {
		recorded := joinWanted()
		recorded.Node = c.node
		if err := recorded.Release(t.Context(), plane.Host(), c.gone); err != nil || strings.Join(plane.Nodes(), " ") != c.left {
			t.Errorf("%s: %v, nodes %q", c.what, err, plane.Nodes())
		}
	}
	if got := strings.Join(plane.Undrained(), " "); got != "worker" { // nobody there would end its pods
		t.Errorf("deleted without being drained: %q", got)
	}
}
