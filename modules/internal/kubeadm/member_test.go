package kubeadm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/modules/resource"
)

func TestVia(t *testing.T) {
	hash, otherHash := hosttest.AuthorityHash, "sha256:"+strings.Repeat("0", 64)
	made := func(hash *string) *KubeadmControlPlane { return &KubeadmControlPlane{CAHash: hash} }
	bare := func(name string) fellow { return fellow{Host: name} }
	stands := func(name string) fellow { return fellow{Host: name, Object: made(&hash)} }
	goes := func(name string) fellow { return fellow{Host: name, Object: made(&hash), Leaves: true} }
	gone := func(name string) fellow {
		return fellow{Host: name, Object: made(&hash), Leaves: true, LetGo: true}
	}
	off := func(name string) fellow { return fellow{Host: name, Unseen: "host " + name + " is unreachable"} }
	for _, tt := range []struct {
		what    string
		fellows []fellow
		want    string // of each, in order
	}{
		{"a new cluster", []fellow{bare("a"), bare("b"), bare("c")}, "init, join a, join a"},
		{"a new one of one", []fellow{bare("a")}, "init"},
		{"it stands", []fellow{stands("a"), stands("b")}, ", "},
		{"one is new", []fellow{stands("a"), stands("b"), bare("c")}, ", , join a"},
		{"the first is new", []fellow{bare("d"), stands("b"), stands("c")}, "join b, , "},
		{"the first is replaced", []fellow{bare("d"), stands("b"), stands("c"), goes("a")}, "join b, , , leave b"},
		{"the only one is replaced", []fellow{bare("b"), goes("a")}, "join a, leave b"},
		{"one goes", []fellow{stands("a"), goes("c")}, ", leave a"},
		{"all go", []fellow{goes("c"), goes("b"), goes("a")}, "leave a, leave a, reset"},
		{"the only one goes", []fellow{goes("a")}, "reset"},
		{"one is off, and there may be a cluster on it", []fellow{bare("a"), off("b"), bare("c")}, "b!, b!, b!"},
		{"one is off, and there is a cluster", []fellow{stands("a"), off("b"), bare("c")}, ", b!, join a"},
		{"one goes, and one that stays is off", []fellow{off("a"), stands("b"), goes("c")}, "a!, , leave b"},
		{"one goes, and the only one that stays is off", []fellow{off("a"), goes("c")}, "a!, a!"},
		{"one is let go", []fellow{gone("a"), stands("b"), stands("c")}, "leave b, , "},
		{"one is let go, and the first is new", []fellow{gone("a"), bare("d"), stands("b")}, "leave b, join b, "},
		{"one is let go, and one is off", []fellow{gone("a"), off("b"), stands("c")}, "leave c, b!, "},
		{"one is let go, and all others are off", []fellow{gone("a"), off("b"), off("c")}, "b!, b!, c!"},
		{"one is let go, and the others go", []fellow{gone("a"), goes("c"), goes("b")}, "leave b, leave b, reset"},
		{"the only one is let go", []fellow{gone("a"), bare("b")}, ", init"},
		{"one of another cluster is let go", []fellow{{Host: "a", Object: made(&otherHash), Leaves: true, LetGo: true}, stands("b")}, "leave b, "},
	} {
		t.Run(tt.what, func(t *testing.T) {
			var got []string
			var of []Member
			for _, f := range tt.fellows {
				of = append(of, Member{Name: f.Host})
			}
			for _, f := range tt.fellows {
				seen := slices.DeleteFunc(slices.Clone(tt.fellows), func(g fellow) bool { return g.LetGo && g.Host != f.Host })
				via, err := KubeadmControlPlane{Members: of}.Via(f.Host, seen)
				var unseen *resource.UnseenError
				if errors.As(err, &unseen) {
					got = append(got, unseen.Host+"!")
				} else if err != nil {
					t.Fatal(err)
				} else {
					got = append(got, via.String())
				}
			}
			want := strings.Split(tt.want, ", ")
			for i, f := range tt.fellows {
				if f.Unseen != "" { // nobody asks
					got[i], want[i] = "", ""
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
	if _, err := (KubeadmControlPlane{}).Via("a", []fellow{bare("a")}); err == nil || !strings.Contains(err.Error(), "Host a, which the resource is on, is not among them") {
		t.Errorf("no member: %v", err)
	}
	two := []fellow{stands("a"), {Host: "b", Object: made(&otherHash)}}
	if _, err := (KubeadmControlPlane{}).Via("a", two); err == nil || !strings.Contains(err.Error(), "host a is of one cluster ("+hash+") and host b of another ("+otherHash+")") {
		t.Errorf("two clusters: %v", err)
	}
}

const memberConfig = `apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {advertiseAddress: 10.0.0.%d}
nodeRegistration: {name: %s, criSocket: "unix:///run/containerd/containerd.sock"}
---
kubernetesVersion: v1.34.4
`

// planes are machines of a control plane; so many of them have joined.
func planes(t *testing.T, joined int, names ...string) (machines []*hosttest.Machine, act func(via string, at int) error) {
	t.Helper()
	find := map[string]*hosttest.Machine{}
	for i, name := range names {
		m := hosttest.New(hosttest.Named(name), hosttest.Report(t.Errorf))
		m.Put(configFile, fmt.Sprintf(memberConfig, i+1, name))
		if i > 0 {
			m.Reaches(machines[0])
		}
		machines, find[name] = append(machines, m), m
	}
	ctx := host.WithPeers(t.Context(), func(_ context.Context, name string) (host.Host, error) { return find[name].Host(), nil })
	act = func(via string, at int) error {
		how, through, _ := strings.Cut(via, " ")
		ctx := resource.WithVia(ctx, resource.Via{How: how, Host: through})
		if how == viaLeave || how == viaReset {
			return controlPlaneWanted().Delete(ctx, machines[at].Host())
		}
		return controlPlaneWanted().Apply(ctx, machines[at].Host(), nil)
	}
	for i := range joined {
		via := viaInit
		if i > 0 {
			via = viaJoin + " " + names[0]
		}
		if err := act(via, i); err != nil {
			t.Fatal(err)
		}
	}
	return machines, act
}

// members are the names of etcd's.
func members(m *hosttest.Machine) string {
	var names []string
	for _, e := range m.Members() {
		names = append(names, e.Name)
	}
	return strings.Join(names, " ")
}

func TestMembersJoinAndLeave(t *testing.T) {
	ms, act := planes(t, 3, "a", "b", "c", "d")
	if got := members(ms[0]); got != "a b c" || strings.Join(ms[0].Nodes(), " ") != "a b c" {
		t.Errorf("members %q, nodes %q", got, ms[0].Nodes())
	}
	for _, m := range ms[1:3] {
		got, err := controlPlaneWanted().Read(t.Context(), m.Reader())
		if err != nil || got == nil || !got.Intact || *got.CAHash != hosttest.AuthorityHash || got.Version != "1.34.4" {
			t.Errorf("it reads as %+v, %v", got, err)
		}
		for path, mode := range map[string]string{"/etc/kubernetes/pki/sa.key": "-rw-------", caFile: "-rw-r--r--"} {
			if f := m.File(path); f == nil || f.Mode.String() != mode {
				t.Errorf("%s is %+v", path, f)
			}
		}
	}
	if err := act("join b", 3); err != nil {
		t.Fatal(err)
	}
	if err := act("leave b", 0); err != nil {
		t.Fatal(err)
	}
	if got := members(ms[1]); got != "b c d" || strings.Join(ms[1].Nodes(), " ") != "b c d" || len(ms[1].Tokens()) != 0 {
		t.Errorf("members %q, nodes %q, tokens %q", got, ms[1].Nodes(), ms[1].Tokens())
	}
	if lost := ms[1].Undrained(); len(lost) != 0 {
		t.Errorf("deleted before it was drained: %q", lost)
	}
	if got, err := controlPlaneWanted().Read(t.Context(), ms[0].Reader()); got != nil || err != nil {
		t.Errorf("who left reads as %+v, %v", got, err)
	}
}

// A join and a leave that are cut off anywhere are made whole by the next try.
func TestACutMemberConverges(t *testing.T) {
	for _, via := range []string{"join a", "leave a"} {
		for at := range 2 { // at the plane, and at home
			for n := 1; ; n++ {
				joined := 2
				if via == "leave a" {
					joined = 3
				}
				ms, act := planes(t, joined, "a", "b", "c")
				broken := []*hosttest.Machine{ms[0], ms[2]}[at]
				broken.Arrange(hosttest.Fault{Op: n})
				err := act(via, 2)
				cut := !broken.Pending()
				broken.Forgive()
				if cut != (err != nil) {
					t.Fatalf("%s, cut at %d: %v", via, n, err)
				}
				if cut {
					if err := act(via, 2); err != nil {
						t.Errorf("%s again, cut at %d: %v", via, n, err)
					}
				}
				want := "a b c"
				if via == "leave a" {
					want = "a b"
				}
				if got := members(ms[0]); got != want || strings.Join(ms[0].Nodes(), " ") != want || len(ms[0].Tokens()) != 0 {
					t.Errorf("%s, cut at %d: members %q, nodes %q, tokens %q", via, n, got, ms[0].Nodes(), ms[0].Tokens())
				}
				if !cut {
					break
				}
			}
		}
	}
}

// Membership changes only while etcd has a majority to spare for it, and what
// others began is not touched.
func TestEtcdIsNotPutAtRisk(t *testing.T) {
	member := func(id uint64, name, address string, down bool) hosttest.EtcdMember {
		return hosttest.EtcdMember{ID: id, Name: name, Address: address, Down: down}
	}
	a, b := member(1, "a", "10.0.0.1", false), member(2, "b", "10.0.0.2", false)
	c := member(3, "c", "10.0.0.3", false)
	down := func(m hosttest.EtcdMember) hosttest.EtcdMember { m.Down = true; return m }
	for _, tt := range []struct {
		what string
		via  string
		etcd []hosttest.EtcdMember
		want string // of the error; "" where it is done
	}{
		{"all answer", "join a", []hosttest.EtcdMember{a, b}, ""},
		{"one of two does not", "join a", []hosttest.EtcdMember{a, down(b)}, "of its 2 members 1 answer, and 2 have to before d joins"},
		{"one of three does not", "join a", []hosttest.EtcdMember{a, down(b), c}, ""},
		{"what an own join left", "join a", []hosttest.EtcdMember{a, b, member(9, "", "10.0.0.4", false)}, ""},
		{"what another machine's join left", "join a", []hosttest.EtcdMember{a, b, member(0xab, "", "10.0.0.9", false)}, "etcdctl member remove ab"},
		{"a member of its name elsewhere", "join a", []hosttest.EtcdMember{a, b, member(0xab, "d", "10.0.0.9", false)}, "etcd has a member d at another address"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			ms, act := planes(t, 3, "a", "b", "c", "d")
			ms[0].SetMembers(tt.etcd...)
			acts := len(ms[3].Acts())
			err := act(tt.via, 3)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if err != nil && len(ms[3].Acts()) != acts {
				t.Error("something was done on the machine")
			}
		})
	}
	ms, act := planes(t, 3, "a", "b", "c")
	ms[0].SetMembers(a, down(b), c)
	if err := act("leave a", 2); err == nil || !strings.Contains(err.Error(), "of its 2 members 1 answer, and 2 have to before c leaves") {
		t.Errorf("leaving without a majority: %v", err)
	}
	if got := strings.Join(ms[0].Nodes(), " "); got != "a b c" {
		t.Errorf("nodes %q", got)
	}
}

// A node need not be called as its host.
func TestNodesOfOtherNames(t *testing.T) {
	ms, act := planes(t, 0, "a", "b", "c")
	for i, m := range ms {
		m.Put(configFile, fmt.Sprintf(memberConfig, i+1, "node-"+[]string{"a", "b", "c"}[i]))
	}
	for i, via := range []string{"init", "join a", "join b"} {
		if err := act(via, i); err != nil {
			t.Fatal(err)
		}
	}
	if got := members(ms[0]); got != "node-a node-b node-c" {
		t.Errorf("members %q", got)
	}
	all := ms[0].Members()
	all[1].Down = true
	ms[0].SetMembers(all...)
	if err := act("leave a", 2); err == nil || !strings.Contains(err.Error(), "have to before node-c leaves") {
		t.Errorf("leaving without a majority: %v", err)
	}
	all[1].Down = false
	ms[0].SetMembers(all...)
	if err := act("leave a", 2); err != nil || members(ms[0]) != "node-a node-b" || strings.Join(ms[0].Nodes(), " ") != "node-a node-b" {
		t.Errorf("%v, members %q, nodes %q", err, members(ms[0]), ms[0].Nodes())
	}
}

// What another cluster left is not written over, whoever began.
func TestAnotherClustersKeysStay(t *testing.T) {
	ms, act := planes(t, 1, "a", "b")
	ms[1].Put(begunFile, "")
	ms[1].Put(caFile, "another's\n")
	if err := act("join a", 1); err == nil || !strings.Contains(err.Error(), "kubeadm reset") || ms[1].Content(caFile) != "another's\n" {
		t.Errorf("%v, it is %q", err, ms[1].Content(caFile))
	}
}

// A member at whose address the cluster is reached neither comes nor goes.
func TestTheEndpointIsAMember(t *testing.T) {
	hash := hosttest.AuthorityHash
	c := KubeadmControlPlane{Endpoint: "10.0.0.1:6443", Members: []Member{{"a", "10.0.0.1"}, {"b", "10.0.0.2"}}}
	stands := func(name string, leaves bool) fellow {
		return fellow{Host: name, Object: &KubeadmControlPlane{CAHash: &hash}, Leaves: leaves}
	}
	for what, fellows := range map[string][]fellow{
		"it leaves": {stands("b", false), stands("a", true)},
		"it joins":  {{Host: "a"}, stands("b", true)},
	} {
		if _, err := c.Via("a", fellows); err == nil || !strings.Contains(err.Error(), "address of a load balancer") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// The configuration says who the machine is; without that nothing is begun.
func TestAConfigurationWithoutTheMachine(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "holds no InitConfiguration",
		"kind: ClusterConfiguration\n":        "holds no InitConfiguration",
		"kind: InitConfiguration\n":           "nodeRegistration.name and localAPIEndpoint.advertiseAddress",
		"kind: InitConfiguration\n  - a: [\n": "is no YAML",
		"kind: InitConfiguration\nnodeRegistration: x\n": "does not say who the machine is",
	} {
		ms, act := planes(t, 1, "a", "b")
		ms[1].Put(configFile, text)
		if err := act("join a", 1); err == nil || !strings.Contains(err.Error(), want) || len(ms[1].Acts()) != 0 {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// A member joins by what its own configuration says of it.
func TestAMemberJoinsByItsConfiguration(t *testing.T) {
	init, err := initOf(configFile, &host.File{Content: []byte(`apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
bootstrapTokens: [{ttl: 15m}]
localAPIEndpoint: {advertiseAddress: 10.0.0.2, bindPort: 6444}
nodeRegistration: {name: b, criSocket: "unix:///run/crio/crio.sock"}
patches: {directory: /etc/patches}
timeouts: {controlPlaneComponentHealthCheck: 10m0s, discovery: 9m0s}
`)})
	if err != nil {
		t.Fatal(err)
	}
	got := string(init.joinConfig("token", "10.0.0.9:6443", "sha256:0"))
	for _, part := range []string{
		"kubeadm.k8s.io/v1beta4", "criSocket: \"unix:///run/crio/crio.sock\"", "bindPort: 6444", "directory: \"/etc/patches\"",
		"controlPlaneComponentHealthCheck: \"10m0s\"", "discovery: \"9m0s\"",
	} {
		if !strings.Contains(got, part) {
			t.Errorf("it does not say %s:\n%s", part, got)
		}
	}
	if strings.Contains(got, "bootstrapTokens") { // which a join does not know
		t.Errorf("it says\n%s", got)
	}
}
