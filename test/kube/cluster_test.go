package kube

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kplan/kplan/test/lab"
	"github.com/kplan/kplan/test/lab/kube"
)

//go:embed web.yaml
var web string

// cluster is three machines that become one.
type cluster struct {
	t        *testing.T
	ctx      context.Context
	lab      *lab.Lab
	payload  *kube.Payload
	machines []*lab.Machine
	plane    *lab.Machine // of the control plane: the one that is asked
	times
}

// newCluster returns bare machines, with the payload served to them, whose clock runs.
func newCluster(t *testing.T, limit time.Duration) *cluster {
	t.Helper()
	if os.Getenv("KPLAN_KUBE") != "1" {
		t.Skip("making a Kubernetes cluster takes a minute and a payload that takes long to build: KPLAN_KUBE=1 has it made")
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	l := lab.Open(t)
	p, err := kube.New(ctx, l, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, ctx: ctx, lab: l, payload: p, machines: l.Machines()[:3], plane: l.Machines()[0]}
	t.Cleanup(c.remove)
	if err := p.Serve(ctx); err != nil {
		t.Fatal(err)
	}
	l.Reset(t, c.machines...)
	c.times = begin(t.Output())
	return c
}

// remove leaves the lab, which may stay up, without a cluster that is at work.
func (c *cluster) remove() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := errors.Join(c.lab.ResetMachines(ctx, c.machines...), c.payload.Withdraw(ctx)); err != nil {
		c.t.Error(err)
	}
}

// works waits until the cluster is one that is at work, and tries it.
func (c *cluster) works() {
	c.t.Helper()
	c.ready()
	c.stage("three nodes are Ready")
	c.kubectl("-n kube-system rollout status deployment/coredns --timeout=180s")
	c.stage("CoreDNS is available")
	c.ssh(c.machines[0], web, "KUBECONFIG=/etc/kubernetes/admin.conf kubectl apply -f -")
	c.kubectl("rollout status daemonset/web --timeout=180s")
	c.stage("a pod runs on each node")
	c.check()
	c.stage("names, services, pods and ports of nodes answer")
}

// ready waits until all nodes are.
func (c *cluster) ready() {
	c.t.Helper()
	c.kubectl("wait --for=condition=Ready nodes --all --timeout=180s")
	var want []string
	for _, m := range c.machines {
		want = append(want, m.Name)
	}
	if got := c.nodes(); !slices.Equal(got, want) {
		c.t.Fatalf("the nodes are %q, want %q", got, want)
	}
}

// nodes are the names of the nodes.
func (c *cluster) nodes() []string {
	c.t.Helper()
	return strings.Fields(c.kubectl("get nodes -o jsonpath='{.items[*].metadata.name}'"))
}

// check has a pod of the first node talk to those of all nodes, by a name, by their addresses, and by the ports of the nodes. The
// network to a node that is new may take a moment on the others: it is waited for.
func (c *cluster) check() {
	c.t.Helper()
	nodes := c.nodes()
	pod := c.podOn("k8s-node1", "metadata.name")
	fetch := func(url string) string {
		return strings.TrimSpace(c.kubectl("exec " + pod + " -- timeout 5 wget -qO- " + url)) // Debian's wget -T crashes
	}
	for _, name := range nodes {
		if got := fetch("http://" + c.podOn(name, "status.podIP") + ":8080/"); got != name {
			c.t.Errorf("the pod of %s says that it is on %q", name, got)
		}
	}
	if got := fetch("http://web.default.svc.cluster.local/"); !slices.Contains(nodes, got) {
		c.t.Errorf("the service says that it is on %q", got)
	}
	pods := ""
	for _, name := range nodes {
		pods += " " + c.podOn(name, "status.podIP")
	}
	c.all(c.machines, "", "for pod in"+pods+"; do for i in $(seq 15); do ! curl -fsS -o /dev/null --max-time 2 http://$pod:8080/ || continue 2; sleep 1; done; "+
		"echo $pod is not reached; exit 1; done")
	for _, m := range c.machines {
		out, err := exec.CommandContext(c.ctx, "curl", "-fsS", "--max-time", "5", "http://"+m.Address+":30080/").CombinedOutput()
		if err != nil || !slices.Contains(nodes, strings.TrimSpace(string(out))) {
			c.t.Errorf("port 30080 of %s: %s %v", m.Name, out, err)
		}
	}
}

// podOn returns a field of the pod that runs on a node.
func (c *cluster) podOn(node, field string) string {
	c.t.Helper()
	return c.kubectl(fmt.Sprintf("get pods -l app=web --field-selector spec.nodeName=%s -o jsonpath={.items[0].%s}", node, field))
}

func (c *cluster) kubectl(args string) string {
	c.t.Helper()
	return c.ssh(c.plane, "", "KUBECONFIG=/etc/kubernetes/admin.conf kubectl "+args)
}

// ssh runs a command as root over a new connection and returns what it prints. Where it fails the test ends.
func (c *cluster) ssh(m *lab.Machine, stdin, command string) string {
	c.t.Helper()
	out, err := c.try(m, stdin, command)
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

// all is ssh on several machines at once.
func (c *cluster) all(ms []*lab.Machine, stdin, command string) {
	c.t.Helper()
	errs := make([]error, len(ms))
	var wg sync.WaitGroup
	for i, m := range ms {
		wg.Go(func() { _, errs[i] = c.try(m, stdin, command) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) try(m *lab.Machine, stdin, command string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(c.ctx, "ssh", "-F", "none", "-i", c.lab.Key(), "-o", "IdentitiesOnly=yes",
		"-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile="+c.lab.KnownHosts(), "root@"+m.Address, command)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %s: %w\n%s%s", m.Name, command, err, &stdout, &stderr)
	}
	return stdout.String(), nil
}

// curl fetches from the lab's network.
func (c *cluster) curl(url string) string {
	c.t.Helper()
	out, err := exec.CommandContext(c.ctx, "curl", "-fsS", "--max-time", "5", url).Output()
	if err != nil {
		c.t.Fatalf("%s: %v", url, err)
	}
	return string(out)
}
