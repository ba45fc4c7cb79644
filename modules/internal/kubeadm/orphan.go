package kubeadm

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/script"
	"github.com/kplan/kplan/modules/resource"
)

// This file is members of etcd that nobody manages: of a join that failed and
// was given up nothing is recorded, so that no plan takes it out.

// askMembers asks a machine of the control plane, if it is one, for etcd's
// members.
func askMembers() host.Op {
	argv := append([]string{"sh", "-c", script.EtcdAsked, "kplan"}, inEtcd("member", "list", "-w", "json")...)
	return host.Query{Argv: argv, AnyExit: true}
}

// orphans are the members in an answer to askMembers that are no host of the
// control plane. A member has a host's name, or its address: where a host's
// address is a name, and no member is called as it is, none can be told.
func (c KubeadmControlPlane) orphans(answer host.Output) (list []resource.Finding) {
	var etcd struct {
		Members []etcdMember `json:"members"`
	}
	if json.Unmarshal(answer.Stdout, &etcd) != nil || len(c.Members) == 0 {
		return nil
	}
	names := map[string]bool{}
	for _, m := range etcd.Members {
		names[m.Name] = true
	}
	var ours, others []etcdMember
	for _, m := range etcd.Members {
		if slices.ContainsFunc(c.Members, m.is) {
			ours = append(ours, m)
		} else {
			others = append(others, m)
		}
	}
	for _, of := range c.Members {
		if _, err := netip.ParseAddr(of.Address); err != nil && !names[of.Name] {
			return nil
		}
	}
	at := slices.IndexFunc(ours, func(m etcdMember) bool { return m.Name != "" })
	if at < 0 {
		return nil
	}
	for _, m := range others {
		take := strings.Join(etcdctl(ours[at].Name, "member", "remove", strconv.FormatUint(m.ID, 16)), " ")
		peers := strings.Join(m.PeerURLs, ", ")
		f := resource.Finding{
			Name: "etcd member " + m.Name + peers, Leaves: resource.Match{Attr: "node", Value: m.Name},
			Msg: fmt.Sprintf("etcd has the member %s (%s), which is no host of this control plane", m.Name, peers),
			Advice: fmt.Sprintf("Where its join was given up, or its machine is gone, take it out on a host of the control plane: `%s`, and its node, where there is one: `kubectl delete node %s`. "+
				"Otherwise name its host in members.", take, m.Name),
		}
		if m.Name == "" {
			f.Msg = fmt.Sprintf("etcd has a member that never started (%s), which is no host of this control plane", peers)
			f.Advice = fmt.Sprintf("Where its join was given up, take it out on a host of the control plane: `%s`. Otherwise name its host in members.", take)
		}
		list = append(list, f)
	}
	return list
}

// is reports whether the member is that host's.
func (m etcdMember) is(of Member) bool {
	return m.Name == of.Name || slices.ContainsFunc(m.PeerURLs, func(url string) bool { return strings.HasPrefix(url, "https://"+hostPort(of.Address)) })
}
