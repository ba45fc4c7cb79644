package kubeadm

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/kplan/kplan/modules/host"
)

// etcdData is there on a machine whose etcd has started.
const etcdData = "/var/lib/etcd/member"

// etcd is the members of a cluster's etcd, as one of them sees it.
type etcd struct {
	at      string // the node whose etcd was asked
	members []etcdMember
	answers map[string]bool // by client URL
	letGo   bool            // the machine of the member that leaves is let go, and those of others may be
}

// etcdMember is one of them, in the words of etcdctl member list.
type etcdMember struct {
	ID         uint64   `json:"ID"`
	Name       string   `json:"name"` // "" where it has not started yet
	PeerURLs   []string `json:"peerURLs"`
	ClientURLs []string `json:"clientURLs"`
	Learner    bool     `json:"isLearner"`
}

// etcdctl asks the etcd of the node called at, in its pod.
func etcdctl(at string, args ...string) []string {
	return append(kubectl("-n", "kube-system", "exec", "etcd-"+at, "--").Argv, inEtcd(args...)...)
}

// inEtcd is etcdctl within that pod, as kubeadm's own health check has it.
func inEtcd(args ...string) []string {
	const pki = "/etc/kubernetes/pki/etcd/"
	return append([]string{
		"etcdctl", "--endpoints=https://127.0.0.1:2379",
		"--cacert=" + pki + "ca.crt", "--cert=" + pki + "healthcheck-client.crt", "--key=" + pki + "healthcheck-client.key",
	}, args...)
}

// lookAtEtcd makes two calls.
func (c KubeadmControlPlane) lookAtEtcd(ctx context.Context, plane host.Host) (etcd, error) {
	name, err := c.nodeName(ctx, plane)
	if err != nil {
		return etcd{}, err
	}
	e := etcd{at: name, answers: map[string]bool{}}
	res, err := plane.Do(ctx,
		host.Query{Argv: etcdctl(e.at, "member", "list", "-w", "json")},
		host.Query{Argv: etcdctl(e.at, "endpoint", "health", "--cluster", "-w", "json"), AnyExit: true},
	)
	if err != nil {
		return e, fmt.Errorf("cannot ask etcd for its members: %w", err)
	}
	var list struct {
		Members []etcdMember `json:"members"`
	}
	if err := json.Unmarshal(res[0].Output.Stdout, &list); err != nil || len(list.Members) == 0 {
		return e, fmt.Errorf("etcd on node %s does not say who its members are", e.at)
	}
	e.members = list.Members
	var health []struct {
		Endpoint string `json:"endpoint"`
		Health   bool   `json:"health"`
	}
	_ = json.Unmarshal(res[1].Output.Stdout, &health) // none answers, where it says nothing
	for _, h := range health {
		e.answers[h.Endpoint] = h.Health
	}
	return e, nil
}

// up reports whether a member votes and answers.
func (e etcd) up(m etcdMember) bool {
	return !m.Learner && slices.ContainsFunc(m.ClientURLs, func(url string) bool { return e.answers[url] })
}

// quorum fails unless more than half of the members that vote answer.
func (e etcd) quorum(members []etcdMember, doing string) error {
	members = slices.DeleteFunc(slices.Clone(members), func(m etcdMember) bool { return m.Learner })
	up := 0
	for _, m := range members {
		if e.up(m) {
			up++
		}
	}
	if need := len(members)/2 + 1; up < need {
		way := "Bring the others back first"
		if e.letGo {
			way = "Bring back one that is not let go. Where there is none, restore a snapshot of etcd on one host that is there, with `kplan-etcd restore --alone FILE.db`, and apply again"
		}
		return fmt.Errorf("etcd would be at risk: of %s %d answer, and %d have to before %s. %s", counted(len(members)), up, need, doing, way)
	}
	return nil
}

func counted(members int) string {
	if members == 1 {
		return "its one member"
	}
	return fmt.Sprintf("its %d members", members)
}

// without fails where the others could not go on without the member of the node
// called name, which is what doing is about, and where etcd, as it is, could not
// agree to that.
func (e etcd) without(name, doing string) error {
	if err := e.quorum(e.members, doing); err != nil {
		return err
	}
	others := slices.DeleteFunc(slices.Clone(e.members), func(m etcdMember) bool { return m.Name == name })
	return e.quorum(others, doing)
}

// remove takes the member of the node called name out; it may be gone already.
func (e etcd) remove(ctx context.Context, plane host.Host, name string) error {
	for _, m := range e.members {
		if m.Name == name {
			return e.removeMember(ctx, plane, m)
		}
	}
	return nil
}

func (e etcd) removeMember(ctx context.Context, plane host.Host, m etcdMember) error {
	_, err := plane.Do(ctx, host.Run{Argv: etcdctl(e.at, "member", "remove", strconv.FormatUint(m.ID, 16))})
	return err
}

// makeRoom fails where etcd could not take another member. One that never
// started and has the machine's address is what a join that was cut off left:
// it is taken out. votes says that one has come so far that etcd counts on it;
// data tells whether the machine has etcd's, without which a member that started
// was another machine's.
func (c KubeadmControlPlane) makeRoom(ctx context.Context, plane host.Host, init initConfig, data bool) (votes bool, err error) {
	e, err := c.lookAtEtcd(ctx, plane)
	if err != nil {
		return false, err
	}
	others := e.members[:0:0]
	for _, m := range e.members {
		switch here := slices.ContainsFunc(m.PeerURLs, func(url string) bool { return strings.HasPrefix(url, "https://"+hostPort(init.address)) }); {
		case here && m.Name == "":
			if err := e.removeMember(ctx, plane, m); err != nil {
				return false, err
			}
		case here && !data:
			return false, fmt.Errorf("etcd has the member %s at the address of this machine, which has no data of it: it was made anew, or reset. Take the member out on node %s, with `%s`", m.Name, e.at,
				strings.Join(etcdctl(e.at, "member", "remove", strconv.FormatUint(m.ID, 16)), " "))
		case here: // the join came as far as that
			votes = !m.Learner
		case m.Name == "":
			return false, fmt.Errorf("another machine (%s) is joining etcd, or began to and did not end. Let it end, or take it out with `etcdctl member remove %x`", strings.Join(m.PeerURLs, ", "), m.ID)
		case m.Name == init.name:
			return false, fmt.Errorf("etcd has a member %s at another address (%s). Take it out with `etcdctl member remove %x` if that machine is gone", m.Name, strings.Join(m.PeerURLs, ", "), m.ID)
		default:
			others = append(others, m)
		}
	}
	return votes, e.quorum(others, init.name+" joins")
}

// hostPort is the begin of a URL's host and port, as etcd writes the address.
func hostPort(address string) string {
	if strings.Contains(address, ":") {
		return "[" + address + "]:"
	}
	return address + ":"
}
