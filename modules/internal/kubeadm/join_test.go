package kubeadm

import (
	"context"
	"strings"
	"testing"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
)

const configFile = "/etc/kubernetes/kubeadm.yaml"

// worlds is a control plane that stands, a bare machine, and the context of an
// act on the second.
func worlds(t *testing.T) (ctx context.Context, plane, worker *hosttest.Machine) {
	t.Helper()
	plane = hosttest.New(hosttest.Named("plane"), hosttest.Report(t.Errorf))
	plane.Put(configFile, "kubernetesVersion: v1.34.4\n")
	if err := controlPlaneWanted().Apply(t.Context(), plane.Host(), nil); err != nil {
		t.Fatal(err)
	}
	worker = hosttest.New(hosttest.Named("worker"), hosttest.Report(t.Errorf))
	worker.Reaches(plane)
	return host.WithPeers(t.Context(), func(context.Context, string) (host.Host, error) { return plane.Host(), nil }), plane, worker
}

func controlPlaneWanted() KubeadmControlPlane {
	return KubeadmControlPlane{Config: configFile, Version: "1.34.4", Endpoint: "10.0.2.15:6443", Intact: true}
}

func joinWanted() KubeadmJoin {
	endpoint, hash := "10.0.2.15:6443", hosttest.AuthorityHash
	return KubeadmJoin{Intact: true, CRISocket: "unix:///run/containerd/containerd.sock", Cluster: map[string]Cluster{"plane": {&endpoint, &hash}}}
}

// No token is left, whatever becomes of the join, and none stands in a command
// line or a file.
func TestTokensGo(t *testing.T) {
	for name, spoil := range map[string]func(*KubeadmJoin, *hosttest.Machine){
		"it joins": func(*KubeadmJoin, *hosttest.Machine) {},
		"it fails": func(_ *KubeadmJoin, w *hosttest.Machine) { w.Reaches(nil) },
		"it is another cluster's": func(j *KubeadmJoin, _ *hosttest.Machine) {
			other := "sha256:" + strings.Repeat("0", 64)
			c := j.Cluster["plane"]
			c.CAHash = &other
			j.Cluster["plane"] = c
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, plane, worker := worlds(t)
			want := joinWanted()
			spoil(&want, worker)
			err := want.Apply(ctx, worker.Host(), nil)
			if (err == nil) != (name == "it joins") {
				t.Errorf("error: %v", err)
			}
			if left := plane.Tokens(); len(left) != 0 {
				t.Errorf("tokens left: %v", left)
			}
			for _, m := range []*hosttest.Machine{plane, worker} {
				for _, a := range m.Acts() {
					if run, ok := a.Op.(host.Run); ok && strings.Contains(strings.Join(run.Argv, " "), ".0123456789abcdef") {
						t.Errorf("a token on a command line: %q", run.Argv)
					}
				}
			}
		})
	}
}

// A token that a killed run left is taken away by the next join of the machine.
func TestALeftTokenGoes(t *testing.T) {
	ctx, plane, worker := worlds(t)
	if _, err := mint(ctx, plane.Host(), "worker"); err != nil {
		t.Fatal(err)
	}
	if err := joinWanted().Apply(ctx, worker.Host(), nil); err != nil || len(plane.Tokens()) != 0 {
		t.Errorf("error %v, tokens %v", err, plane.Tokens())
	}
}

// A join that was cut off at any of the control plane's operations does not
// count as made, so that the next run takes its token away.
func TestATokenOfACutJoinGoes(t *testing.T) {
	for n, cut := 1, true; cut; n++ {
		ctx, plane, worker := worlds(t)
		plane.Arrange(hosttest.Fault{Op: n})
		err := joinWanted().Apply(ctx, worker.Host(), nil)
		cut = !plane.Pending()
		plane.Forgive()
		if cut != (err != nil) {
			t.Fatalf("cut off at operation %d: %v, error %v", n, cut, err)
		}
		got, err := joinWanted().Read(ctx, worker.Reader())
		if err != nil || (got == nil) != cut {
			t.Errorf("cut off at operation %d it reads as %+v, %v", n, got, err)
		}
		if !cut {
			break
		}
		if err := joinWanted().Apply(ctx, worker.Host(), nil); err != nil || len(plane.Tokens()) != 0 {
			t.Errorf("cut off at operation %d, then made: error %v, tokens %v", n, err, plane.Tokens())
		}
	}
}

// A worker joins a control plane whose API is starting.
func TestAStartingAPIIsAwaited(t *testing.T) {
	ctx, plane, worker := worlds(t)
	plane.APIStarts()
	if err := joinWanted().Apply(ctx, worker.Host(), nil); err != nil {
		t.Error(err)
	}
}

func TestANodeOfTheSameNameIsNotPushedAside(t *testing.T) {
	ctx, plane, worker := worlds(t)
	if err := joinWanted().Apply(ctx, worker.Host(), nil); err != nil {
		t.Fatal(err)
	}
	other := hosttest.New(hosttest.Named("other"), hosttest.Report(t.Errorf))
	other.Put("/proc/sys/kernel/hostname", "worker\n")
	other.Reaches(plane)
	err := joinWanted().Apply(ctx, other.Host(), nil)
	if err == nil || !strings.Contains(err.Error(), "it is another machine") || len(other.Acts()) != 0 || len(plane.Tokens()) != 0 {
		t.Errorf("error %v, %d acts, tokens %v", err, len(other.Acts()), plane.Tokens())
	}
}

func TestAWorkerLeaves(t *testing.T) {
	ctx, plane, worker := worlds(t)
	if err := joinWanted().Apply(ctx, worker.Host(), nil); err != nil {
		t.Fatal(err)
	}
	if err := joinWanted().Delete(ctx, worker.Host()); err != nil || strings.Join(plane.Nodes(), " ") != "plane" {
		t.Errorf("error %v, nodes %v", err, plane.Nodes())
	}
	if lost := plane.Undrained(); len(lost) != 0 {
		t.Errorf("deleted before it was drained: %q", lost)
	}
	if got, err := joinWanted().Read(ctx, worker.Reader()); err != nil || got != nil {
		t.Errorf("it reads as %+v, %v", got, err)
	}
}

// A worker that cannot be drained stays, with its pods; what was cut off is gone
// on with.
func TestAWorkerIsDrainedBeforeItGoes(t *testing.T) {
	for n, cut := 1, true; cut; n++ {
		ctx, plane, worker := worlds(t)
		if err := joinWanted().Apply(ctx, worker.Host(), nil); err != nil {
			t.Fatal(err)
		}
		plane.Arrange(hosttest.Fault{Op: n, Acts: true, Err: &host.ExitError{Argv: []string{"kubectl"}, Output: host.Output{Code: 1}}})
		err := joinWanted().Delete(ctx, worker.Host())
		cut = !plane.Pending()
		plane.Forgive()
		if cut != (err != nil) || cut && (strings.Join(plane.Nodes(), " ") != "plane worker" || worker.File(kubeletFile) == nil) {
			t.Fatalf("refused at act %d: %v, error %v, nodes %q, kubelet %v", n, cut, err, plane.Nodes(), worker.File(kubeletFile))
		}
		if err := joinWanted().Delete(ctx, worker.Host()); err != nil || strings.Join(plane.Nodes(), " ") != "plane" || len(plane.Undrained()) != 0 {
			t.Errorf("refused at act %d, then again: error %v, nodes %q, deleted before they were drained %q", n, err, plane.Nodes(), plane.Undrained())
		}
	}
}

// What was changed behind kplan's back shows, and is written again.
func TestIntact(t *testing.T) {
	ctx, plane, worker := worlds(t)
	if err := joinWanted().Apply(ctx, worker.Host(), nil); err != nil {
		t.Fatal(err)
	}
	for _, path := range append(manifestFiles, kubeletConfigFile, configFile) {
		plane.Put(path, plane.Content(path)+"# by hand\n")
		got, err := controlPlaneWanted().Read(ctx, plane.Reader())
		if err != nil || got == nil || got.Intact {
			t.Fatalf("%s changed: %+v, %v", path, got, err)
		}
		if err := controlPlaneWanted().Apply(ctx, plane.Host(), got); err != nil {
			t.Fatal(err)
		}
		if got, err = controlPlaneWanted().Read(ctx, plane.Reader()); err != nil || !got.Intact {
			t.Errorf("%s written again: %+v, %v", path, got, err)
		}
	}
	worker.Put(kubeletConfigFile, "by hand\n")
	got, err := joinWanted().Read(ctx, worker.Reader())
	if err != nil || got == nil || got.Intact {
		t.Fatalf("%+v, %v", got, err)
	}
	if err := joinWanted().Apply(ctx, worker.Host(), got); err != nil {
		t.Fatal(err)
	}
	if got, err = joinWanted().Read(ctx, worker.Reader()); err != nil || !got.Intact {
		t.Errorf("%+v, %v", got, err)
	}
}

// What was cut off is resumed; what others left is not touched.
func TestHalfMade(t *testing.T) {
	want := controlPlaneWanted()
	m := hosttest.New(hosttest.Named("plane"), hosttest.Report(t.Errorf))
	m.Put(configFile, "kubernetesVersion: v1.34.4\n")
	m.Put(caFile, "foreign\n")
	if _, err := want.Read(t.Context(), m.Reader()); err == nil || !strings.Contains(err.Error(), "kubeadm reset") {
		t.Errorf("reading what others left: %v", err)
	}
	if err := want.Apply(t.Context(), m.Host(), nil); err == nil || m.Content(caFile) != "foreign\n" {
		t.Errorf("over what others left: %v", err)
	}
	m.Put(begunFile, "")
	if got, err := want.Read(t.Context(), m.Reader()); err != nil || got != nil {
		t.Errorf("reading what was cut off: %+v, %v", got, err)
	}
	if err := want.Apply(t.Context(), m.Host(), nil); err != nil {
		t.Fatal(err)
	}
	if got, err := want.Read(t.Context(), m.Reader()); err != nil || got == nil || *got.CAHash != hosttest.AuthorityHash {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAVersionDoesNotChange(t *testing.T) {
	want, prior := controlPlaneWanted(), controlPlaneWanted()
	if reason := want.Refuses(&prior); reason != "" {
		t.Errorf("refused: %s", reason)
	}
	want.Version = "1.34.5"
	if reason := want.Refuses(&prior); !strings.Contains(reason, "Keep it at 1.34.4.") {
		t.Errorf("reason: %q", reason)
	}
}

// A join is told in the version of the machine's kubeadm, and with the machine's container runtime.
func TestAJoinFollowsTheMachine(t *testing.T) {
	for version, want := range map[string]string{
		"v1.34.4\n": "apiVersion: kubeadm.k8s.io/v1beta4\n", "v1.30.9\n": "apiVersion: kubeadm.k8s.io/v1beta3\n", "v1.21.0\n": "",
	} {
		ctx, _, worker := worlds(t)
		worker.Handle("kubeadm", func(c *hosttest.Call) host.Output {
			if strings.Join(c.Argv[1:], " ") != "version -o short" {
				return c.Unknown()
			}
			return host.Output{Stdout: []byte(version)}
		})
		j := joinWanted()
		j.CRISocket = "unix:///run/crio/crio.sock"
		err := j.Apply(ctx, worker.Host(), nil)
		if want == "" {
			if err == nil || !strings.Contains(err.Error(), "version v1.21.0, whose configuration kplan does not know") || len(worker.Acts()) != 0 {
				t.Errorf("%s: %v, %d acts", version, err, len(worker.Acts()))
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		said := ""
		for _, a := range worker.Acts() {
			if run, ok := a.Op.(host.Run); ok {
				said += string(run.Stdin)
			}
		}
		if !strings.HasPrefix(said, want) || !strings.Contains(said, `criSocket: "unix:///run/crio/crio.sock"`) {
			t.Errorf("%s:\n%s", version, said)
		}
		got, err := joinWanted().Read(ctx, worker.Reader())
		if err != nil || got.CRISocket != j.CRISocket {
			t.Errorf("it reads as %+v, %v", got, err)
		}
		if got := joinWanted().Refuses(got); !strings.Contains(got, "has joined with the container runtime at unix:///run/crio/crio.sock") {
			t.Errorf("with another: %q", got)
		}
	}
}

// Old kubelets are told of the runtime by a flag.
func TestARuntimeInAFlag(t *testing.T) {
	ctx, _, worker := worlds(t)
	j := joinWanted()
	if err := j.Apply(ctx, worker.Host(), nil); err != nil {
		t.Fatal(err)
	}
	worker.RemoveAll(kubeletInstance)
	for flags, want := range map[string]string{
		`KUBELET_KUBEADM_ARGS="--container-runtime-endpoint=unix:///run/crio/crio.sock --pod-infra-container-image=pause"`: "unix:///run/crio/crio.sock",
		`KUBELET_KUBEADM_ARGS="--v=2 --container-runtime-endpoint=/run/crio/crio.sock"`:                                    "unix:///run/crio/crio.sock",
		`KUBELET_KUBEADM_ARGS="--container-runtime-endpoint=unix:///var/run/containerd/containerd.sock"`:                   "unix:///run/containerd/containerd.sock",
		`KUBELET_KUBEADM_ARGS=""`: j.CRISocket,
	} {
		worker.Put(kubeletFlags, flags+"\n")
		if got, err := j.Read(ctx, worker.Reader()); err != nil || got.CRISocket != want {
			t.Errorf("%s: %+v, %v", flags, got, err)
		}
	}
}

// A machine that was reset behind everybody's back joins again: the cluster still takes its node for one that runs.
func TestAResetMachineJoinsAgain(t *testing.T) {
	ctx, plane, worker := worlds(t)
	want := joinWanted()
	for range 2 {
		if err := want.Apply(ctx, worker.Host(), nil); err != nil {
			t.Fatal(err)
		}
		worker.RemoveAll("/etc/kubernetes")
	}
	if got := strings.Join(plane.Nodes(), " "); got != "plane worker" {
		t.Errorf("nodes %q", got)
	}

	ms, act := planes(t, 2, "a", "b")
	config := ms[1].Content(configFile)
	ms[1].RemoveAll("/etc/kubernetes")
	ms[1].RemoveAll("/var/lib/etcd")
	ms[1].Put(configFile, config)
	if err := act("join a", 1); err == nil || !strings.Contains(err.Error(), "which has no data of it") || !strings.Contains(err.Error(), "member remove e7cd") {
		t.Errorf("while etcd counts on it: %v", err)
	}
	ms[0].SetMembers(ms[0].Members()[0]) // as it is restored alone
	if err := act("join a", 1); err != nil {
		t.Fatal(err)
	}
	if got := members(ms[0]); got != "a b" {
		t.Errorf("members %q", got)
	}
}

// One whose node stays Ready is not waited for without end, and is told what for.
func TestAResetMachineWhoseNodeStaysReady(t *testing.T) {
	for name, c := range map[string]struct{ stderr, want, not string }{
		"it stays Ready": {
			"error: timed out waiting for the condition on nodes/worker\n",
			"the cluster has a node worker already, which is this machine before it was reset, and it is Ready still, three minutes later; kubeadm joins the machine only once it is not. " +
				"Where a kubelet still runs there, end it with `kubeadm reset`; then take the node out on a host of the control plane, with `kubectl delete node worker`, and apply again",
			"timed out waiting",
		},
		"the API is down": {"The connection to the server was refused\n", "while node worker, which is this machine before it was reset, was waited for to be no longer Ready: kubectl ended with exit status 1: The connection to the server was refused", ""},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, plane, worker := worlds(t)
			want := joinWanted()
			if err := want.Apply(ctx, worker.Host(), nil); err != nil {
				t.Fatal(err)
			}
			worker.RemoveAll("/etc/kubernetes")
			plane.Arrange(hosttest.Fault{Op: 1, Acts: true, Err: &host.ExitError{Argv: []string{"kubectl"}, Output: host.Output{Code: 1, Stderr: []byte(c.stderr)}}})
			if err := want.Apply(ctx, worker.Host(), nil); err == nil || !strings.Contains(err.Error(), c.want) || c.not != "" && strings.Contains(err.Error(), c.not) {
				t.Errorf("%v", err)
			}
			if err := want.Apply(ctx, worker.Host(), nil); err != nil { // once it is not
				t.Error(err)
			}
		})
	}
}

// One of several members is made anew: a worker is a node of the others' cluster.
func TestAWorkerStaysWhileAMemberIsReplaced(t *testing.T) {
	is, other, endpoint := hosttest.AuthorityHash, "sha256:00", "10.0.2.15:6443"
	prior := &KubeadmJoin{CRISocket: "unix:///run/containerd/containerd.sock", Cluster: map[string]Cluster{"a": {&endpoint, &is}, "b": {&endpoint, &is}}}
	for name, c := range map[string]struct {
		a, b    *string
		socket  string
		refused string
	}{
		"as it is":         {&is, &is, "/run", ""},
		"one is made anew": {&is, nil, "/run", ""},
		"the other is":     {nil, &is, "/var/run", ""},
		"all are":          {nil, nil, "/run", "still to be made"},
		"another cluster":  {&other, nil, "/run", "not sha256:00 as that of host a"},
		"another runtime":  {&is, &is, "/run/crio", "which kubeadm cannot change"},
	} {
		wanted := KubeadmJoin{CRISocket: "unix://" + c.socket + "/containerd/containerd.sock", Cluster: map[string]Cluster{"a": {&endpoint, c.a}, "b": {&endpoint, c.b}}}
		if got := wanted.Refuses(prior); (got == "") != (c.refused == "") || !strings.Contains(got, c.refused) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// A node has not to be called as its machine: nothing is missed where another name is not known.
func TestAMachineIsCalledOtherwiseThanItsNode(t *testing.T) {
	ctx, _, worker := worlds(t)
	if err := joinWanted().Apply(ctx, worker.Host(), nil); err != nil {
		t.Fatal(err)
	}
	worker.Put(hostNameNow, "renamed\n")
	if got, err := joinWanted().Read(ctx, worker.Reader()); err != nil || got == nil || !got.Registered {
		t.Errorf("it reads as %+v, %v", got, err)
	}
}
