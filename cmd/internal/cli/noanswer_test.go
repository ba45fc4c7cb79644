package cli

import (
	"strings"
	"testing"

	"github.com/kplan/kplan/modules/host/hosttest"
)

// insideOf is what is inside of the cluster of host a.
const insideOf = `
resource "kubeadm_addon" "dns" {
  on         = host.a
  name       = "coredns"
  config     = kubeadm_config.main.path
  depends_on = [kubeadm_control_plane.main]
}
resource "node" "x" {
  on         = host.a
  name       = "node-a"
  labels     = { "disk" = "ssd" }
  depends_on = [kubeadm_control_plane.main]
}
resource "cluster_health" "main" {
  on         = host.a
  nodes      = true
  depends_on = [kubeadm_control_plane.main]
}
resource "manifest" "settings" {
  on         = host.a
  name       = "settings"
  depends_on = [kubeadm_control_plane.main]
  content    = <<-EOT
    apiVersion: v1
    kind: ConfigMap
    metadata:
      name: settings
    data:
      key: "VALUE"
  EOT
}
`

const apiServer = "/etc/kubernetes/manifests/kube-apiserver.yaml"

// withSilentCluster is a cluster of the control plane a alone, whose API server
// somebody broke.
func withSilentCluster(t *testing.T) (s *site, spec string) {
	spec = clusterOf("a") + insideOf
	s = newSite(t, spec)
	s.machines["a"] = hosttest.New(hosttest.Named("a"), hosttest.Address(addressOf("a")+"/24"), hosttest.Report(t.Errorf))
	s.want(0, nil, "apply", "--auto-approve")
	s.want(0, []string{"No changes."}, "plan", "--detailed-exitcode")
	s.breakAPI()
	return s, spec
}

func (s *site) breakAPI() {
	s.machines["a"].Put(apiServer, "broken\n")
	s.machines["a"].APIStops()
}

const silence = "Warning: On host a, the API of this machine's cluster does not answer: The connection to the server 10.0.2.15:6443 was refused - did you specify the right host or port? Where the plan does not mend it, look there with `crictl ps -a` and `journalctl -u kubelet`. What is recorded of kubeadm_addon.dns, node.x, manifest.settings is taken as what is there."

// An API server that was broken is mended by one apply, although what the API
// tells of cannot be seen before.
func TestABrokenAPIServerIsMended(t *testing.T) {
	for name, harm := range map[string]func(*hosttest.Machine){
		"changed": func(*hosttest.Machine) {},
		"removed": func(m *hosttest.Machine) { m.RemoveAll(apiServer) },
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := withSilentCluster(t)
			harm(s.machines["a"])
			records := s.want(0, nil, "state", "show", "manifest.settings@a", "node.x@a", "kubeadm_addon.dns@a").stdout
			s.want(2, []string{"kubeadm_control_plane.main@a will be", "cluster_health.main@a will be updated in-place", silence}, "plan", "--detailed-exitcode")
			s.want(0, []string{"Apply complete!"}, "apply", "--auto-approve")
			if got := s.want(0, nil, "state", "show", "manifest.settings@a", "node.x@a", "kubeadm_addon.dns@a").stdout; got != records {
				t.Errorf("recorded was\n%s\nand is\n%s", records, got)
			}
			if a := s.want(0, []string{"No changes."}, "plan", "--detailed-exitcode"); strings.Contains(a.stdout+a.stderr, "Warning") {
				t.Errorf("it warns still:\n%s", a.stdout+a.stderr)
			}
		})
	}
}

// A change of what cannot be seen comes behind the repair, also by a saved plan.
func TestAChangeBehindTheRepair(t *testing.T) {
	s, spec := withSilentCluster(t)
	s.write("main.kplan.hcl", strings.Replace(spec, "VALUE", "OTHER", 1))
	s.want(2, []string{"manifest.settings@a will be updated in-place", silence}, "plan", "--detailed-exitcode", "--out", "p.kplan")
	s.want(0, []string{silence}, "show", "p.kplan")
	s.want(0, []string{`"warnings":["On host a, the API of this machine's cluster does not answer`}, "show", "--json", "p.kplan")
	s.want(0, []string{"Apply complete!"}, "apply", "p.kplan")
	s.want(0, []string{"No changes."}, "plan", "--detailed-exitcode")

	s.breakAPI()
	s.write("main.kplan.hcl", spec+strings.NewReplacer(`"settings"`, `"more"`, "name: settings", "name: more").Replace(insideOf[strings.Index(insideOf, "resource \"manifest\""):]))
	s.want(1, []string{"Cannot read manifest.more@a", "Nothing is recorded of manifest.more.", "--exclude 'manifest.more@a'"}, "plan")
	s.want(0, []string{"Apply complete!"}, "apply", "--auto-approve", "--exclude", "manifest.more@a")
	s.want(0, []string{"Apply complete! Resources: 1 added, 0 changed"}, "apply", "--auto-approve")
}

// Drift does not know what became of it, and says that; destroy says how to do
// without it.
func TestDriftAndDestroyOfASilentCluster(t *testing.T) {
	s, _ := withSilentCluster(t)
	s.want(8, []string{
		"Note: Not all could be read", "does not answer: The connection to the server", "manifest.settings@a", "node.x@a", "kubeadm_addon.dns@a",
		"kubeadm_control_plane.main@a has changed", "Drift: 2 objects changed outside of kplan, 1 as recorded.",
	}, "drift")
	s.want(8, []string{`"withheld": [`, `"manifest.settings@a"`}, "drift", "--json")
	s.want(8, nil, "plan", "--refresh-only")
	s.want(1, []string{"Cannot read manifest.settings@a", "kplan state rm 'manifest.settings@a'"}, "destroy", "--auto-approve")
	s.want(0, nil, "state", "rm", "--auto-approve", "manifest.settings@a", "node.x@a")
	s.want(0, []string{"Destroy complete!"}, "destroy", "--auto-approve")
}

// How a manifest is applied is the spec's own affair: nobody changed it behind
// kplan's back, and it is no change of what cannot be seen.
func TestHowAManifestIsApplied(t *testing.T) {
	s, spec := withSilentCluster(t)
	s.write("main.kplan.hcl", strings.Replace(spec, "  content    = <<", "  wait       = false\n  prune      = false\n  on_change  = [kubeadm_control_plane.main]\n  content    = <<", 1))
	a := s.want(2, []string{"(apply, because of kubeadm_control_plane.main)", silence}, "plan", "--detailed-exitcode")
	if strings.Contains(a.stdout, "wait") || strings.Contains(a.stdout, "prune") {
		t.Errorf("it changes how the manifest is applied:\n%s", a.stdout)
	}
	s.want(0, []string{"Apply complete!"}, "apply", "--auto-approve")
	s.want(0, []string{"No drift."}, "drift")
	s.write("main.kplan.hcl", spec)
	s.want(0, []string{"No drift."}, "drift")
}
