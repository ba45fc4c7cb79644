package kubeadm

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/modules/resource"
)

// A member of etcd that is no host of the control plane is told of, with the command that takes it out.
func TestMembersOfNoHost(t *testing.T) {
	a, b := hosttest.EtcdMember{ID: 1, Name: "a", Address: "10.0.0.1"}, hosttest.EtcdMember{ID: 2, Name: "b", Address: "10.0.0.2"}
	of := []Member{{"a", "10.0.0.1"}, {"b", "10.0.0.2"}}
	const take = "`kubectl --kubeconfig=/etc/kubernetes/admin.conf --cache-dir=/dev/null -n kube-system exec etcd-a -- etcdctl " +
		"--endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt " +
		"--key=/etc/kubernetes/pki/etcd/healthcheck-client.key member remove ab`"
	for name, c := range map[string]struct {
		etcd    []hosttest.EtcdMember
		members []Member
		says    []string // of each finding
		leaves  string   // the node of the last
	}{
		"all are hosts": {[]hosttest.EtcdMember{a, b}, of, nil, ""},
		"a host is new": {[]hosttest.EtcdMember{a, b}, append(of, Member{"c", "10.0.0.3"}), nil, ""},
		"a host is joining": {
			[]hosttest.EtcdMember{a, b, {ID: 3, Address: "10.0.0.3"}}, append(of, Member{"c", "10.0.0.3"}), nil, "",
		},
		"a join that was given up": {
			[]hosttest.EtcdMember{a, b, {ID: 0xab, Name: "c", Address: "10.0.0.3"}},
			of,
			[]string{"etcd has the member c (https://10.0.0.3:2380), which is no host of this control plane|" + take + "|`kubectl delete node c`"},
			"c",
		},
		"one that never started": {
			[]hosttest.EtcdMember{a, b, {ID: 0xab, Address: "10.0.0.3"}},
			of,
			[]string{"etcd has a member that never started (https://10.0.0.3:2380), which is no host of this control plane|" + take},
			"",
		},
		"two": {
			[]hosttest.EtcdMember{a, b, {ID: 3, Name: "c", Address: "10.0.0.3"}, {ID: 4, Name: "d", Address: "[fd00::4]"}},
			of,
			[]string{"the member c", "the member d (https://[fd00::4]:2380)"},
			"d",
		},
		"nodes of other names":          {[]hosttest.EtcdMember{{ID: 1, Name: "node-a", Address: "10.0.0.1"}, b}, of, nil, ""},
		"hosts by names":                {[]hosttest.EtcdMember{a, b, {ID: 0xab, Name: "c", Address: "10.0.0.3"}}, []Member{{"a", "a.example.org"}, {"b", "b.example.org"}}, []string{"the member c"}, "c"},
		"a host that cannot be told":    {[]hosttest.EtcdMember{{ID: 1, Name: "node-a", Address: "10.0.0.1"}, b}, []Member{{"a", "a.example.org"}, {"b", "10.0.0.2"}}, nil, ""},
		"the members are not known yet": {[]hosttest.EtcdMember{a, b}, nil, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			ms, _ := planes(t, 2, "a", "b")
			ms[0].SetMembers(c.etcd...)
			want := controlPlaneWanted()
			want.Members = c.members
			for _, m := range ms {
				calls := m.Calls()
				list, err := want.Inspect(t.Context(), m.Reader(), resource.Situation{Address: "10.0.2.15", Now: time.Now()})
				if err != nil || m.Calls() != calls+1 {
					t.Fatalf("%v, %d calls", err, m.Calls()-calls)
				}
				list = slices.DeleteFunc(list, func(f resource.Finding) bool { return !strings.HasPrefix(f.Name, "etcd") })
				if len(list) != len(c.says) {
					t.Fatalf("found %+v", list)
				}
				for k, f := range list {
					for part := range strings.SplitSeq(c.says[k], "|") {
						if !strings.Contains(f.Msg+"\n"+f.Advice, part) {
							t.Errorf("it does not say %q: %s. %s", part, f.Msg, f.Advice)
						}
					}
					if f.Error || k == len(list)-1 && f.Leaves != (resource.Match{Attr: "node", Value: c.leaves}) || k > 0 && f.Name == list[k-1].Name {
						t.Errorf("%+v", f)
					}
				}
			}
		})
	}
}

// An etcd that does not answer is no finding.
func TestMembersThatAreNotTold(t *testing.T) {
	ms, _ := planes(t, 2, "a", "b")
	ms[1].Put(begunFile, "")
	ms[0].APIStarts()
	for _, m := range ms {
		want := controlPlaneWanted()
		want.Members = []Member{{"a", "10.0.0.1"}}
		if found, _ := verdicts(t, want, m, resource.Situation{Address: "10.0.2.15", Now: time.Now()}); slices.ContainsFunc(found, func(name string) bool { return strings.HasPrefix(name, "etcd") }) {
			t.Errorf("found %q", found)
		}
	}
}
