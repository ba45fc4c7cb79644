package kubeadm

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/script"
)

// This file is what a worker that joins or leaves does on the machine of a
// control plane.

// tokenLife is how long a token lives where nobody takes it away.
const tokenLife = "15m"

var tokenForm = regexp.MustCompile(`^[a-z0-9]{6}\.[a-z0-9]{16}$`)

// kubectl speaks to the API of the machine's own control plane.
func kubectl(args ...string) host.Run {
	return host.Run{Argv: append([]string{"kubectl", "--kubeconfig=" + adminFile, "--cache-dir=/dev/null"}, args...)}
}

// awaited waits for the API of a machine that is starting.
var awaited = host.Query{Argv: []string{"sh", "-c", script.APIAwaited}, AnyExit: true}

// machineOf is the machine-id of the node called name; "" where there is none.
func machineOf(ctx context.Context, plane host.Host, name string) (string, error) {
	get := kubectl("get", "node", name, "--ignore-not-found", "-o", "jsonpath={.status.nodeInfo.machineID}")
	res, err := plane.Do(ctx, awaited, host.Query{Argv: get.Argv})
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(res[1].Output.Stdout)), nil
}

// nameFree fails where the node called name is another machine than that of h. One
// of a machine that was reset is still Ready for a minute, and kubeadm takes its
// name again only then: that is waited for.
func nameFree(ctx context.Context, plane, h host.Host, name, machine string) error {
	id, err := machineOf(ctx, plane, name)
	switch {
	case err != nil || id == "":
		return err
	case id != machine:
		return fmt.Errorf("the cluster has a node %s already, and it is another machine (%s). Give this one another name, or take that node out of the cluster first", name, id)
	}
	found, err := h.Do(ctx, host.ReadFile{Path: kubeletFile, Limit: 1})
	if err != nil || found[0].File != nil { // a join that was cut off
		return err
	}
	wait := kubectl("wait", "node/"+name, "--for=condition=Ready=Unknown", "--timeout=180s")
	wait.Detached = true
	_, err = plane.Do(ctx, wait)
	exit, ended := errors.AsType[*host.ExitError](err)
	switch {
	case !ended:
		return err
	case bytes.Contains(exit.Output.Stderr, []byte("timed out")):
		return fmt.Errorf("the cluster has a node %s already, which is this machine before it was reset, and it is Ready still, three minutes later; kubeadm joins the machine only once it is not. "+
			"Where a kubelet still runs there, end it with `kubeadm reset`; then take the node out on a host of the control plane, with `kubectl delete node %s`, and apply again", name, name)
	}
	return fmt.Errorf("while node %s, which is this machine before it was reset, was waited for to be no longer Ready: %w", name, err)
}

// purpose begins the description of the tokens that kplan mints.
func purpose(name string) string { return "kplan: " + name + " joins" }

// withToken has do use a token for the machine called name.
func withToken(ctx context.Context, plane host.Host, name string, do func(token string) error) error {
	token, err := mint(ctx, plane, name)
	if err != nil {
		return err
	}
	err = do(token)
	_, revoked := plane.Do(ctx, dropping(token))
	if exit := (*host.ExitError)(nil); errors.As(revoked, &exit) { // its time may have been over
		revoked = revoke(ctx, plane, name)
	}
	return cmp.Or(err, revoked)
}

// mint makes a token for the machine called name; one that an earlier try left
// behind is taken away. The cluster's controller manager signs by it what machines
// that join read first (cluster-info in kube-public), and kubeadm join looks for
// that every five seconds only (DiscoveryRetryInterval in kubernetes/kubernetes,
// cmd/kubeadm/app/constants): it is waited for, by a kubectl from 1.31 on.
func mint(ctx context.Context, plane host.Host, name string) (string, error) {
	if err := revoke(ctx, plane, name); err != nil {
		return "", err
	}
	res, err := plane.Do(ctx, host.Run{Argv: []string{
		"kubeadm", "token", "create", "--kubeconfig=" + adminFile, "--ttl=" + tokenLife, "--description=" + purpose(name),
	}})
	if err != nil {
		return "", err
	}
	token := lastLine(res[0].Output.Stdout)
	if !tokenForm.MatchString(token) {
		return "", errors.New("kubeadm token create gave no token")
	}
	signed := kubectl("-n", "kube-public", "wait", "configmap/cluster-info", "--for=jsonpath={.data.jws-kubeconfig-"+idOf(token)+"}", "--timeout=20s")
	_, err = plane.Do(ctx, host.Query{Argv: signed.Argv, AnyExit: true})
	return token, err
}

// idOf is the id of a token, which is no secret and may be on a command line.
func idOf(token string) string {
	id, _, _ := strings.Cut(token, ".")
	return id
}

// dropping takes a token away.
func dropping(token string) host.Op {
	return host.Run{Argv: []string{"kubeadm", "token", "delete", "--kubeconfig=" + adminFile, idOf(token)}}
}

// revoke takes the tokens away that were minted for the machine called name.
func revoke(ctx context.Context, plane host.Host, name string) error {
	res, err := plane.Do(ctx, awaited, host.Query{Argv: []string{
		"kubeadm", "token", "list", "--kubeconfig=" + adminFile, "-o", `jsonpath={.token} {.description}{"\n"}`,
	}})
	if err != nil {
		return err
	}
	var ops []host.Op
	for line := range strings.Lines(string(res[1].Output.Stdout)) {
		token, what, _ := strings.Cut(strings.TrimSpace(line), " ")
		if what == purpose(name) {
			ops = append(ops, dropping(token))
		}
	}
	if len(ops) == 0 {
		return nil
	}
	_, err = plane.Do(ctx, ops...)
	return err
}

// takeOut drains the node called name, and takes it out of the cluster.
func takeOut(ctx context.Context, plane host.Host, name string) error {
	id, err := machineOf(ctx, plane, name)
	if err != nil || id == "" {
		return err
	}
	for _, args := range [][]string{
		{"drain", name, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=300s"},
		{"delete", "node", name, "--ignore-not-found"},
	} {
		act := kubectl(args...)
		act.Detached = true
		if _, err := plane.Do(ctx, act); err != nil {
			return err
		}
	}
	return nil
}

// endPods ends the pods of the node called name, which the cluster does not have
// any more: those that its kubelet ended it forgets, the others the cluster does
// within a minute (kubernetes/kubernetes, pkg/controller/podgc).
func endPods(ctx context.Context, plane host.Host, name string) error {
	end := kubectl("delete", "pods", "--all-namespaces", "--field-selector=spec.nodeName="+name, "--timeout=300s")
	end.Detached = true
	_, err := plane.Do(ctx, end)
	return err
}
