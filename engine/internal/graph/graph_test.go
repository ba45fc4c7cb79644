package graph

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/dsl/addr"
)

func res(name string) addr.Resource { return addr.Resource{Type: "file", Name: name} }

// on makes the instances of resources on hosts, in order; needs are given by
// name, "all NAME" for those of all hosts.
func on(hosts []string, resources ...[]string) (out []*dsl.Instance) {
	for _, r := range resources {
		for _, h := range hosts {
			in := &dsl.Instance{Addr: addr.Instance{Resource: res(r[0]), Host: h}}
			for _, n := range r[1:] {
				need := dsl.Need{Resource: res(n), Host: h}
				if len(n) > 4 && n[:4] == "all " {
					need = dsl.Need{Resource: res(n[4:])}
				}
				in.Needs = append(in.Needs, need)
			}
			out = append(out, in)
		}
	}
	return out
}

func none(addr.Instance) []string { return nil }

func sideBySide(addr.Resource) bool { return false }

func TestOrder(t *testing.T) {
	insts := on([]string{"a", "b"}, []string{"c", "all b"}, []string{"b", "a"}, []string{"a"})
	g, err := Build(insts, nil, none, sideBySide)
	if err != nil {
		t.Fatal(err)
	}
	place := make([]int, g.Len())
	for p, n := range g.Order {
		place[n] = p
	}
	for n, after := range g.After {
		for _, m := range after {
			if place[m] >= place[n] {
				t.Errorf("node %d comes before %d, which it waits for", n, m)
			}
		}
	}
	if again, _ := Build(insts, nil, none, sideBySide); !slices.Equal(again.Order, g.Order) {
		t.Errorf("two orders of one graph: %v and %v", g.Order, again.Order)
	}
}

// n instances that wait for m cost n+m edges.
func TestGroupsKeepEdgesFew(t *testing.T) {
	var hosts []string
	for i := range 200 {
		hosts = append(hosts, fmt.Sprint("h", i))
	}
	g, err := Build(on(hosts, []string{"a"}, []string{"b", "all a"}), nil, none, sideBySide)
	if err != nil {
		t.Fatal(err)
	}
	edges := 0
	for _, after := range g.After {
		edges += len(after)
	}
	if edges != 400 {
		t.Errorf("%d edges, want 400", edges)
	}
}

func TestKeys(t *testing.T) {
	key := addr.StringKey("x")
	insts := []*dsl.Instance{
		{Addr: addr.Instance{Resource: res("a"), Key: key, Host: "h"}},
		{Addr: addr.Instance{Resource: res("a"), Key: addr.StringKey("y"), Host: "h"}},
		{Addr: addr.Instance{Resource: res("b"), Host: "h"}, Needs: []dsl.Need{{Resource: res("a"), Key: &key, Host: "h"}}},
		{Addr: addr.Instance{Resource: res("c"), Host: "h"}, Needs: []dsl.Need{{Resource: res("none"), Host: "h"}}},
	}
	g, err := Build(insts, nil, none, sideBySide)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(g.After[2], []int{0}) || len(g.After[3]) != 0 {
		t.Errorf("after: %v", g.After)
	}
}

func TestCycles(t *testing.T) {
	tests := []struct {
		name      string
		resources [][]string
		want      []string // the cycle, in order
	}{
		{"itself", [][]string{{"a", "a"}}, []string{"file.a@h"}},
		{"two", [][]string{{"a", "b"}, {"b", "a"}}, []string{"file.a@h", "file.b@h"}},
		{"the shorter of two", [][]string{{"a", "b"}, {"b", "c"}, {"c", "a"}, {"d", "e"}, {"e", "d"}}, []string{"file.d@h", "file.e@h"}},
		{"with a tail", [][]string{{"x", "a"}, {"a", "b"}, {"b", "a"}}, []string{"file.a@h", "file.b@h"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			insts := on([]string{"h"}, tt.resources...)
			_, err := Build(insts, nil, none, sideBySide)
			var cycle *CycleError
			if !errors.As(err, &cycle) {
				t.Fatalf("error %v, want a cycle", err)
			}
			var got []string
			for _, e := range cycle.Edges {
				got = append(got, insts[e.From].Addr.String())
				if NeedString(e.Need) != NeedString(dsl.Need{Resource: insts[e.To].Addr.Resource, Host: "h"}) {
					t.Errorf("the edge to %s has the need %s", insts[e.To].Addr, NeedString(e.Need))
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("cycle %v, want %v", got, tt.want)
			}
		})
	}
}

// A cycle through groups names instances only.
func TestCycleThroughAll(t *testing.T) {
	insts := on([]string{"h", "i"}, []string{"a", "all b"}, []string{"b", "all a"})
	_, err := Build(insts, nil, none, sideBySide)
	var cycle *CycleError
	if !errors.As(err, &cycle) || len(cycle.Edges) != 2 {
		t.Fatalf("error %v", err)
	}
}

// Leftovers go the other way: after those that stood on them, leftovers or
// instances.
func TestLeftovers(t *testing.T) {
	insts := on([]string{"h"}, []string{"live"})
	left := []Leftover{
		{Addr: addr.Instance{Resource: res("base"), Host: "h"}},
		{Addr: addr.Instance{Resource: res("top"), Host: "h"}, Needs: []string{"file.base@h"}},
		{Addr: addr.Instance{Resource: res("far"), Host: "i"}, Needs: []string{"file.base@*"}},
	}
	g, err := Build(insts, left, func(a addr.Instance) []string {
		if a.Name == "live" {
			return []string{"file.base@h"}
		}
		return nil
	}, sideBySide)
	if err != nil {
		t.Fatal(err)
	}
	base := 1
	for _, before := range []int{0, 2, 3} {
		if slices.Index(g.Order, before) > slices.Index(g.Order, base) {
			t.Errorf("node %d comes after the leftover that it stood on", before)
		}
	}
}

// What is let go waits for nothing that stood on it, and where hosts come one by
// one it comes before all others; what stands on something else still goes first.
func TestLettingGo(t *testing.T) {
	insts := on([]string{"b", "d"}, []string{"member"}, []string{"user", "all member"})
	left := []Leftover{
		{Addr: addr.Instance{Resource: res("member"), Host: "a"}, LetGo: true},
		{Addr: addr.Instance{Resource: res("member"), Host: "c"}},
		{Addr: addr.Instance{Resource: res("user"), Host: "x"}, Needs: []string{"file.member@*"}, LetGo: true},
	}
	member := func(r addr.Resource) bool { return r.Name == "member" }
	g, err := Build(insts, left, func(a addr.Instance) []string {
		if a.Name == "user" {
			return []string{"file.member@*"}
		}
		return nil
	}, member)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, i := range g.Order {
		switch {
		case i < g.Instances:
			order = append(order, insts[i].Addr.String())
		case i < g.Leftovers:
			order = append(order, left[i-g.Instances].Addr.String())
		}
	}
	place := func(name, host string) int {
		return slices.Index(order, addr.Instance{Resource: res(name), Host: host}.String())
	}
	if a, b, d, c := place("member", "a"), place("member", "b"), place("member", "d"), place("member", "c"); !(a < b && b < d && d < c) {
		t.Errorf("members come as a %d, b %d, d %d, c %d", a, b, d, c)
	}
	if x, c := place("user", "x"), place("member", "c"); x > c {
		t.Errorf("what stood on it comes at %d, it at %d", x, c)
	}
	if gone := g.After[g.Instances]; len(gone) != 0 {
		t.Errorf("what is let go waits for %v", gone)
	}
}

// watching is instances d, which watches a, and late, which needs both and which
// an early one does not.
func watching() (insts []*dsl.Instance, left []Leftover) {
	insts = on([]string{"h"}, []string{"early"}, []string{"d"}, []string{"late", "d"})
	insts[1].OnChange = []dsl.Need{{Resource: res("a"), Host: "h"}}
	return insts, []Leftover{{Addr: addr.Instance{Resource: res("a"), Key: addr.StringKey("x"), Host: "h"}}}
}

func (g *Graph) comesBefore(a, b int) bool {
	return slices.Index(g.Order, a) < slices.Index(g.Order, b)
}

// A watcher comes behind the leftovers that it watches, and so does what needs
// it; all else that stood on them comes before.
func TestWatchedLeftovers(t *testing.T) {
	insts, left := watching()
	g, err := Build(insts, left, func(addr.Instance) []string { return []string{"file.a@h"} }, sideBySide)
	if err != nil {
		t.Fatal(err)
	}
	early, d, late, a := 0, 1, 2, 3
	if !g.comesBefore(early, a) || !g.comesBefore(a, d) || !g.comesBefore(d, late) {
		t.Errorf("order: %v", g.Order)
	}
	if len(g.Behind) != 1 || !slices.Equal(g.After[g.Behind[d][0]], []int{a}) || !slices.Equal(g.Watchers[a], []int{d}) {
		t.Errorf("behind %v, watchers %v, after %v", g.Behind, g.Watchers, g.After)
	}
	if len(g.After[d]) != 0 {
		t.Errorf("the watcher needs %v", g.After[d])
	}
}

// Where the leftover has to wait for its watcher all the same, that is no cycle
// of anybody's spec.
func TestWatchedLeftoversThatComeLater(t *testing.T) {
	insts, left := watching()
	left = append(left, Leftover{Addr: addr.Instance{Resource: res("top"), Host: "h"}, Needs: []string{"file.a@h"}})
	g, err := Build(insts, left, func(a addr.Instance) []string {
		if a.Name == "d" {
			return []string{"file.top@h"}
		}
		return nil
	}, sideBySide)
	if err != nil {
		t.Fatal(err)
	}
	d, a, top := 1, 3, 4
	if !g.comesBefore(d, top) || !g.comesBefore(top, a) || len(g.Behind) != 0 || !slices.Equal(g.Watchers[a], []int{d}) {
		t.Errorf("order %v, behind %v, watchers %v", g.Order, g.Behind, g.Watchers)
	}
}

// What is single is done on one host after the other, then taken away from one
// after the other, the last first.
func TestOneByOne(t *testing.T) {
	insts := on([]string{"h", "i", "j"}, []string{"a"}, []string{"b"})
	left := []Leftover{
		{Addr: addr.Instance{Resource: res("a"), Host: "x"}},
		{Addr: addr.Instance{Resource: res("a"), Host: "y"}},
		{Addr: addr.Instance{Resource: res("b"), Host: "y"}},
	}
	g, err := Build(insts, left, none, func(r addr.Resource) bool { return r.Name == "a" })
	if err != nil {
		t.Fatal(err)
	}
	var chain []int
	for _, i := range g.Order {
		if i < g.Instances && insts[i].Addr.Name == "a" || i == 6 || i == 7 {
			if len(chain) > 0 && !slices.Equal(g.After[i], chain[len(chain)-1:]) {
				t.Errorf("node %d waits for %v, not for %d alone", i, g.After[i], chain[len(chain)-1])
			}
			chain = append(chain, i)
		} else if len(g.After[i]) > 0 {
			t.Errorf("node %d waits for %v", i, g.After[i])
		}
	}
	if want := []int{0, 1, 2, 7, 6}; !slices.Equal(chain, want) {
		t.Errorf("one by one: %v, want %v", chain, want)
	}
}

// What a node waits for is found through groups, each node once, and the search
// ends where the caller has seen enough.
func TestBefore(t *testing.T) {
	insts := on([]string{"h1", "h2"}, []string{"a"}, []string{"b", "a"}, []string{"c", "all b", "a"}, []string{"d"})
	g, err := Build(insts, nil, none, sideBySide)
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range [][]int{{}, {}, {0}, {1}, {0, 1, 2, 3}, {0, 1, 2, 3}, {}, {}} {
		got := []int{}
		for a := range g.Before(n) {
			if a < g.Leftovers {
				got = append(got, a)
			}
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("before node %d come %v, want %v", n, got, want)
		}
	}
	seen := 0
	for range g.Before(4) {
		seen++
		break
	}
	if seen != 1 {
		t.Errorf("%d nodes after the search was ended", seen)
	}
}
