package kubeadm

import (
	"context"
	"encoding/json"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/modules/internal/kubeconfig"
)

const (
	homeFile = "/home/vagrant/.kube/config"
	others   = `# mine
apiVersion: v1
clusters:
- cluster: {server: "https://old.example.org"} # by hand
  name: old
contexts:
- {name: old, context: {cluster: old, user: me}}
current-context: old
kind: Config
users:
- name: me
  user: {token: "it's secret"}
`
)

func accessWanted() Kubeconfig {
	return Kubeconfig{Path: homeFile, Name: "kubernetes", User: "vagrant", Merge: true, Intact: true, Cluster: joinWanted().Cluster}
}

// read is the object as it is read, and whether it is as wanted.
func (k Kubeconfig) read(t *testing.T, m *hosttest.Machine) (got *Kubeconfig, right bool) {
	t.Helper()
	got, err := k.Read(t.Context(), m.Reader())
	if err != nil {
		t.Fatal(err)
	}
	if got == nil {
		return nil, false
	}
	text, _ := json.Marshal(got)
	if long := regexp.MustCompile(`[A-Za-z0-9+/]{65}`).Find(text); long != nil || strings.Contains(string(text), "secret") {
		t.Errorf("what is read holds %s", text)
	}
	is := *got
	is.Expires, k.Expires = nil, nil
	a, _ := json.Marshal(is)
	b, _ := json.Marshal(k)
	return got, string(a) == string(b)
}

func (k Kubeconfig) apply(t *testing.T, ctx context.Context, m *hosttest.Machine, prior *Kubeconfig) {
	t.Helper()
	if err := k.Apply(ctx, m.Host(), prior); err != nil {
		t.Fatal(err)
	}
	if got, right := k.read(t, m); !right {
		t.Fatalf("after the apply it reads as %+v:\n%s", got, m.Content(k.Path))
	}
}

func TestAccess(t *testing.T) {
	ctx, _, m := worlds(t)
	m.PutAs(homeFile, others, 0o640, 1000, 1000)
	want := accessWanted()
	want.apply(t, ctx, m, nil)
	made := m.Content(homeFile)
	if f := m.File(homeFile); f.Mode != 0o600 || f.Owner != "vagrant" || f.Group != "vagrant" {
		t.Errorf("the file is %+v", f)
	}
	if f := m.File(homeFile + backup); f == nil || string(f.Content) != others || f.Mode != 0o600 || f.Owner != "vagrant" {
		t.Errorf("the backup is %+v", f)
	}
	want.apply(t, ctx, m, nil)
	if m.Content(homeFile) != made || m.Content(homeFile+backup) != others {
		t.Errorf("a second apply made\n%s", m.Content(homeFile))
	}
	recorded, _ := want.read(t, m)
	if end, err := time.Parse(time.RFC3339, *recorded.Expires); err != nil || time.Until(end) < 364*24*time.Hour || recorded.Peers() != nil {
		t.Errorf("it ends on %s; deleting it acts on %q", *recorded.Expires, recorded.Peers())
	}
	if err := recorded.Delete(t.Context(), m.Host()); err != nil || m.Content(homeFile) != others || m.File(homeFile+backup) != nil {
		t.Errorf("%v, deleted it is\n%s", err, m.Content(homeFile))
	}
	for _, a := range m.Acts() {
		if run, ok := a.Op.(host.Run); ok {
			t.Errorf("it ran %q", run.Argv)
		}
	}
}

func TestAccessAlone(t *testing.T) {
	for _, merge := range []bool{true, false} {
		ctx, plane, m := worlds(t)
		want := accessWanted()
		want.Merge = merge
		want.apply(t, ctx, m, nil)
		if f := m.File("/home/vagrant/.kube"); f.Mode != 0o700 || f.Owner != "vagrant" || f.Group != "vagrant" {
			t.Errorf("the directory is %+v", f)
		}
		f, err := kubeconfig.Parse(m.Content(homeFile))
		if err != nil || f.Current != "kubernetes" || f.Clusters["kubernetes"].Server != "https://10.0.2.15:6443" {
			t.Errorf("%v:\n%s", err, m.Content(homeFile))
		}
		recorded, _ := want.read(t, m)
		plane.Put(adminFile, hosttest.AdminConf(time.Now().AddDate(1, 0, 0))) // renewed
		want.apply(t, ctx, m, recorded)
		if m.File(homeFile+backup) != nil {
			t.Error("of what is all kplan's there is a backup")
		}
		m.Put(homeFile, m.Content(homeFile)+"# mine\n")
		if got, right := want.read(t, m); right != merge || got.Merge != true {
			t.Errorf("with a comment it reads as %+v", got)
		}
		if !merge {
			want.apply(t, ctx, m, recorded)
		}
		if err := recorded.Delete(t.Context(), m.Host()); err != nil || (m.File(homeFile) != nil) != merge {
			t.Errorf("%v, deleted it is\n%s", err, m.Content(homeFile))
		}
	}
}

// What was changed by hand shows, and is repaired; what the user may change stays.
func TestAccessDrifts(t *testing.T) {
	spent := func(t *testing.T, text string) string {
		t.Helper()
		_, u, err := administrator(&host.File{Content: []byte(hosttest.AdminConf(time.Now().Add(renewal - time.Hour)))}, hosttest.AuthorityHash)
		if err != nil {
			t.Fatal(err)
		}
		f, _ := kubeconfig.Parse(text)
		text, err = f.With("kubernetes", f.Clusters["kubernetes"], u, false)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	without := func(part string) func(*testing.T, string) string {
		return func(t *testing.T, text string) string {
			t.Helper()
			out := regexp.MustCompile(part).ReplaceAllString(text, "")
			if out == text {
				t.Fatalf("no %s in\n%s", part, text)
			}
			return out
		}
	}
	for name, change := range map[string]func(*testing.T, string) string{
		"the server":   func(_ *testing.T, s string) string { return strings.Replace(s, "10.0.2.15", "10.9.9.9", 1) },
		"the user":     func(_ *testing.T, s string) string { return strings.Replace(s, "user: kubernetes", "user: me", 1) },
		"no cluster":   without(`(?m)^- cluster:\n(    .*\n)+  name: kubernetes\n`),
		"no context":   without(`(?m)^- context:\n(    .*\n)+  name: kubernetes\n`),
		"no user":      without(`(?m)^- name: kubernetes\n  user:\n(    .*\n)+`),
		"no key":       without(`(?m)^    client-key-data: .*\n`),
		"no authority": without(`(?m)^    certificate-authority-data: .*\n`),
		"not verified": func(_ *testing.T, s string) string {
			return strings.Replace(s, "    server: https://10", "    insecure-skip-tls-verify: true\n    server: https://10", 1)
		},
		"the certificate spent": spent,
	} {
		t.Run(name, func(t *testing.T) {
			ctx, _, m := worlds(t)
			m.PutAs(homeFile, others, 0o600, 1000, 1000)
			want := accessWanted()
			want.apply(t, ctx, m, nil)
			changed := change(t, m.Content(homeFile))
			m.Put(homeFile, changed)
			got, right := want.read(t, m)
			if right || got == nil {
				t.Fatalf("it reads as %+v:\n%s", got, changed)
			}
			if reason := want.Refuses(got); reason != "" {
				t.Fatalf("it is refused: %s", reason)
			}
			want.apply(t, ctx, m, got)
			if m.Content(homeFile+backup) != changed {
				t.Error("what was there is not kept")
			}
			if err := got.Delete(t.Context(), m.Host()); err != nil || m.Content(homeFile) != others {
				t.Errorf("%v, deleted it is\n%s", err, m.Content(homeFile))
			}
		})
	}
	ctx, _, m := worlds(t)
	want := accessWanted()
	want.apply(t, ctx, m, nil)
	for _, as := range []struct {
		mode     fs.FileMode
		uid, gid int
	}{{0o644, 1000, 1000}, {0o600, 0, 0}, {0o600, 1000, 4}} {
		m.PutAs(homeFile, m.Content(homeFile), as.mode, as.uid, as.gid)
		got, right := want.read(t, m)
		if right {
			t.Errorf("%+v is not seen", as)
		}
		want.apply(t, ctx, m, got)
	}
	m.Put(homeFile, strings.NewReplacer("    user: kubernetes\n", "    user: kubernetes\n    namespace: dev\n", "current-context: kubernetes", `current-context: ""`).Replace(m.Content(homeFile)))
	if got, right := want.read(t, m); !right {
		t.Errorf("with a namespace and no current context it reads as %+v", got)
	}
}

// Where the control plane's own credentials are spent, they are renewed there.
func TestAccessIsRenewed(t *testing.T) {
	ctx, plane, m := worlds(t)
	plane.Put(adminFile, hosttest.AdminConf(time.Now().Add(-time.Hour)))
	before := len(plane.Acts())
	accessWanted().apply(t, ctx, m, nil)
	accessWanted().apply(t, ctx, m, nil)
	if acts := plane.Acts()[before:]; len(acts) != 1 || acts[0].String() != "run kubeadm certs renew admin.conf" {
		t.Errorf("on the control plane: %v", acts)
	}
}

// On the control plane itself no other machine is needed.
func TestAccessAtHome(t *testing.T) {
	_, plane, _ := worlds(t)
	want := accessWanted()
	want.Path, want.User = "/root/.kube/config", "root"
	want.apply(t, t.Context(), plane, nil)
}

// What is of another cluster, or cannot be edited, is refused, and nothing is
// changed.
func TestAccessIsRefused(t *testing.T) {
	named := func(context, cluster, user string) string {
		return strings.NewReplacer("{name: old, context: {cluster: old, user: me}}", "{name: "+context+", context: {cluster: "+cluster+", user: "+user+"}}",
			"name: old", "name: "+cluster, "name: me", "name: "+user).Replace(others)
	}
	for name, c := range map[string]struct{ text, want string }{
		"another cluster": {named("a", "kubernetes", "b"), "entries called kubernetes already"},
		"another context": {named("kubernetes", "a", "b"), "entries called kubernetes already"},
		"another user":    {named("a", "b", "kubernetes"), "entries called kubernetes already"},
		"a user alone":    {"users:\n- name: kubernetes\n  user: {token: x}\n", "has a user kubernetes already"},
		"JSON":            {`{"kind": "Config", "clusters": []}`, "its form"},
		"no YAML":         {"a: [secret", "no YAML"},
		"a manifest":      {"kind: Secret\n", "but a Secret"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, _, m := worlds(t)
			m.Put(homeFile, c.text)
			want := accessWanted()
			if got, err := want.Read(t.Context(), m.Reader()); err == nil && strings.HasPrefix(c.want, "entries") {
				if reason := want.Refuses(got); !strings.Contains(reason, c.want) {
					t.Errorf("the plan says %q", reason)
				}
			}
			err := want.Apply(ctx, m.Host(), nil)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") || len(m.Acts()) != 0 {
				t.Errorf("the apply says %v, and did %v", err, m.Acts())
			}
			want.Merge = false
			want.apply(t, ctx, m, nil)
		})
	}
	for name, spoil := range map[string]func(*hosttest.Machine, *Kubeconfig){
		"a symbolic link stands there": func(m *hosttest.Machine, _ *Kubeconfig) { m.PutLink(homeFile, "/etc/x") },
		"than a file":                  func(m *hosttest.Machine, _ *Kubeconfig) { m.PutDir(homeFile) },
		"larger than":                  func(m *hosttest.Machine, _ *Kubeconfig) { m.Put(homeFile, strings.Repeat("#", 1<<20+1)) },
		"its directory is":             func(m *hosttest.Machine, _ *Kubeconfig) { m.PutLink("/home/vagrant/.kube", "/etc") },
		"no user nosuch":               func(_ *hosttest.Machine, k *Kubeconfig) { k.User = "nosuch" },
		"nothing is known":             func(_ *hosttest.Machine, k *Kubeconfig) { k.Cluster = map[string]Cluster{"plane": {}} },
		"is of another cluster than planned": func(_ *hosttest.Machine, k *Kubeconfig) {
			endpoint, hash := "10.0.2.15:6443", "sha256:"+strings.Repeat("0", 64)
			k.Cluster = map[string]Cluster{"plane": {&endpoint, &hash}}
		},
	} {
		ctx, _, m := worlds(t)
		want := accessWanted()
		spoil(m, &want)
		if err := want.Apply(ctx, m.Host(), nil); err == nil || !strings.Contains(err.Error(), name) || len(m.Acts()) != 0 {
			t.Errorf("%s: %v, did %v", name, err, m.Acts())
		}
	}
}

// A cluster that was made again at the same address is no other one; entries
// that came to be another's are not deleted.
func TestAccessToAClusterMadeAgain(t *testing.T) {
	ctx, _, m := worlds(t)
	want := accessWanted()
	m.PutAs(homeFile, strings.NewReplacer("https://old.example.org", "https://10.0.2.15:6443", "old", "kubernetes").Replace(others), 0o600, 1000, 1000)
	want.apply(t, ctx, m, nil)
	recorded, _ := want.read(t, m)
	foreign := strings.ReplaceAll(others, "old", "kubernetes")
	m.Put(homeFile, foreign)
	if err := recorded.Delete(t.Context(), m.Host()); err != nil || m.Content(homeFile) != foreign {
		t.Errorf("%v, deleted it is\n%s", err, m.Content(homeFile))
	}
}

func TestAccessPeers(t *testing.T) {
	k := Kubeconfig{Cluster: map[string]Cluster{"b": {}, "a": {}}}
	if got := k.Peers(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("it acts on %q", got)
	}
}

// A delete that is cut off anywhere is completed by the next one.
func TestAccessDeleteIsCut(t *testing.T) {
	for n, cut := 1, true; cut; n++ {
		ctx, _, m := worlds(t)
		m.PutAs(homeFile, others, 0o600, 1000, 1000)
		want := accessWanted()
		want.apply(t, ctx, m, nil)
		recorded, _ := want.read(t, m)
		m.Arrange(hosttest.Fault{Op: n})
		err := recorded.Delete(t.Context(), m.Host())
		cut = !m.Pending()
		m.Forgive()
		if cut != (err != nil) {
			t.Fatalf("cut off at operation %d: %v, error %v", n, cut, err)
		}
		if err := recorded.Delete(t.Context(), m.Host()); err != nil || m.Content(homeFile) != others || m.File(homeFile+backup) != nil {
			t.Errorf("cut off at operation %d, then deleted: %v, it is\n%s", n, err, m.Content(homeFile))
		}
	}
}
