package std_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/modules"
	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/modules/internal/objects"
	"github.com/kplan/kplan/modules/resource/resourcetest"
	"github.com/kplan/kplan/modules/std"
)

// versions is versions.yaml.
type versions struct {
	Packages struct{ Path, Revision string }
	Network  struct{ Flannel string }
	TooOld   string `json:"containerd_too_old"`
	Releases map[string]struct {
		Kubeadm    string
		Images     struct{ Of, Pause, Etcd, CoreDNS string }
		Containerd []string
		Cgroup     int
	} `json:"kubernetes"`
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := fs.ReadFile(std.Modules, "kplan/kubernetes/"+name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func readVersions(t *testing.T) (v versions) {
	t.Helper()
	trees, err := objects.Trees(read(t, "versions.yaml"))
	if err != nil || len(trees) != 1 {
		t.Fatalf("%d documents, %v", len(trees), err)
	}
	b, err := json.Marshal(trees[0])
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// The versions have no gap, and each says all that the module asks of it.
func TestVersions(t *testing.T) {
	v := readVersions(t)
	minors := slices.Sorted(maps.Keys(v.Releases))
	first, _ := strconv.Atoi(strings.TrimPrefix(minors[0], "1."))
	tag := regexp.MustCompile(`^v?[0-9]+(\.[0-9]+){1,2}(-[0-9]+)?$`)
	for i, minor := range minors {
		r := v.Releases[minor]
		if minor != fmt.Sprintf("1.%d", first+i) {
			t.Errorf("after %d versions comes %s", i, minor)
		}
		if !strings.HasPrefix(r.Images.Of, minor+".") {
			t.Errorf("%s: its images are of %s", minor, r.Images.Of)
		}
		for _, image := range []string{r.Images.Pause, r.Images.Etcd, r.Images.CoreDNS} {
			if !tag.MatchString(image) {
				t.Errorf("%s: an image has the tag %q", minor, image)
			}
		}
		if r.Cgroup != 1 && r.Cgroup != 2 {
			t.Errorf("%s: cgroups v%d", minor, r.Cgroup)
		}
	}
	if fmt.Sprintf(v.Packages.Path, "1.34") != "core:/stable:/v1.34/deb/" || !strings.HasPrefix(v.Packages.Revision, "-") {
		t.Errorf("packages: %+v", v.Packages)
	}
}

// kubeadm_config writes the version of kubeadm's configuration that stands here.
func TestVersionsOfKubeadm(t *testing.T) {
	typ, _ := modules.Lookup("kubeadm_config")
	for minor, r := range readVersions(t).Releases {
		m := hosttest.New(hosttest.Named("plane"), hosttest.Report(t.Errorf))
		want, err := resourcetest.Object(typ.Schema, resourcetest.Values{"version": r.Images.Of})
		if err == nil {
			err = typ.Apply(t.Context(), m.Host(), want, cty.NullVal(want.Type()))
		}
		if text := m.Content("/etc/kubernetes/kubeadm.yaml"); err != nil || !strings.Contains(text, `apiVersion: "kubeadm.k8s.io/`+r.Kubeadm+`"`) {
			t.Errorf("of %s, %v:\n%s", minor, err, text)
		}
	}
}

// The type containerd can configure what is recommended, in order of its lines,
// one release of each. None is too old.
func TestVersionsOfContainerd(t *testing.T) {
	v := readVersions(t)
	typ, _ := modules.Lookup("containerd")
	old := regexp.MustCompile(v.TooOld)
	for _, version := range []string{"0.2", "1.2", "1.5", "1.5.18"} {
		if !old.MatchString(version) {
			t.Errorf("%s is not too old", version)
		}
	}
	for minor, r := range v.Releases {
		line := ""
		for _, version := range r.Containerd {
			want, err := resourcetest.Object(typ.Schema, resourcetest.Values{"version": version})
			if err == nil {
				err = typ.Validate(want)
			}
			if err != nil || old.MatchString(version) || strings.Count(version, ".") != 2 {
				t.Errorf("%s: containerd %s, %v", minor, version, err)
			}
			before := line
			if line = version[:strings.LastIndex(version, ".")]; line <= before {
				t.Errorf("%s: containerd %s comes after %s", minor, line, before)
			}
		}
		if line == "" {
			t.Errorf("%s is recommended with no containerd", minor)
		}
	}
}

// The change in the manifest of the pod network that its head names.
func TestFlannelWritesItsConfigurationLast(t *testing.T) {
	text := read(t, "kube-flannel.yaml")
	const file = "/etc/cni/net.d/10-flannel.conflist"
	if strings.Count(text, file) != 1 || !strings.Contains(text, "until [ -e /run/flannel/subnet.env ]; do sleep 0.1; done; exec cp -f /etc/kube-flannel/cni-conf.json "+file) {
		t.Error("kube-flannel.yaml writes " + file + " before flanneld has a subnet")
	}
}

// What the images are called elsewhere: in the manifest of the pod network, and
// in the lab, which has a Kubernetes 1.34.
func TestVersionsOfImages(t *testing.T) {
	v := readVersions(t)
	tags := regexp.MustCompile(`flannel-io/flannel:(\S+)`).FindAllStringSubmatch(read(t, "kube-flannel.yaml"), -1)
	for _, m := range tags {
		if m[1] != v.Network.Flannel {
			t.Errorf("kube-flannel.yaml has flannel %s, versions.yaml %s", m[1], v.Network.Flannel)
		}
	}
	if len(tags) == 0 {
		t.Error("kube-flannel.yaml has no flannel")
	}
	if pause := resourcetest.Images()[0]; !strings.HasSuffix(pause, "/pause:"+v.Releases["1.34"].Images.Pause) {
		t.Errorf("the lab has %s", pause)
	}
}
