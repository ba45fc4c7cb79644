package laws

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/modules"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
	"github.com/kplan/kplan/modules/resource/resourcetest"
	"github.com/kplan/kplan/modules/resource/resourcetest/cases"
)

// object is one that is wanted on a machine.
type object struct {
	typ  *resource.Type
	want cty.Value
}

func (o object) String() string { return fmt.Sprintf("%s %v", o.typ.Name, o.typ.Claims(o.want)) }

func newObject(t *testing.T, typ string, v resourcetest.Values) object {
	t.Helper()
	o := object{typ: types(t, typ)[0]}
	var err error
	if o.want, err = resourcetest.Object(o.typ.Schema, v); err != nil {
		t.Fatal(err)
	}
	if err := o.typ.Validate(o.want); err != nil {
		t.Fatal(err)
	}
	return o
}

// read is what a plan reads of the object: its Read, or an act's Due.
func (o object) read(ctx context.Context, h host.Host) (got cty.Value, due resource.Verdict, err error) {
	if o.typ.IsAct {
		due, err = o.typ.Due(ctx, h, o.want)
		return cty.NilVal, due, err
	}
	got, err = o.typ.Read(ctx, h, o.want)
	return got, "", err
}

// differs tells whether the machine is not as wanted.
func (o object) differs(got cty.Value, due resource.Verdict) bool {
	if o.typ.IsAct {
		return due != resource.DoneBefore && due != resource.DueAfter
	}
	return len(resourcetest.Diff(o.typ, o.want, got)) > 0
}

// sixty are objects of every type that needs no cluster, most of them files.
func sixty(t *testing.T) []object {
	t.Helper()
	const dir = "/opt/kplan-law"
	var all []object
	add := func(typ string, v resourcetest.Values) { all = append(all, newObject(t, typ, v)) }
	add("hostname", resourcetest.Values{"name": "law-1"})
	add("swap", resourcetest.Values{"enabled": false})
	add("hosts_file", resourcetest.Values{"path": "/etc/hosts", "entries": map[string][]string{"10.0.2.15": {"law-1"}, "10.0.2.24": {"law-2"}}}) // sudo looks its machine's own name up
	add("directory", resourcetest.Values{"path": dir, "mode": "0755"})
	add("exec", resourcetest.Values{"name": "x", "command": "touch " + dir + "/made", "creates": dir + "/made"})
	add("reboot", resourcetest.Values{"name": "x"})
	add("kernel_module", resourcetest.Values{"name": "overlay"})
	add("line", resourcetest.Values{"path": "/etc/login.defs", "match": `^UMASK\s`, "line": "UMASK 027"})
	add("systemd_unit", resourcetest.Values{"name": "lab-daemon", "drop_ins": map[string]string{"10-nice.conf": "[Service]\nNice=5\n"}})
	add("symlink", resourcetest.Values{"path": dir + "/link", "target": "made"})
	release, key := resourcetest.Repository()
	add("file", resourcetest.Values{"path": dir + "/InRelease", "content": release, "mode": "0644"})
	add("package_repository", resourcetest.Values{"name": "kplan-law", "uri": "file:" + dir, "suites": []string{"./"}, "key": key})
	add("containerd", resourcetest.Values{
		"version": "1.6", "sandbox_image": "10.0.2.1:5000/pause:3.10.1", "registries": map[string][]string{"10.0.2.1:5000": {"http://10.0.2.1:5000"}},
		"proxy": map[string]string{"https": "http://10.0.2.1:3128"},
	})
	add("crictl_config", resourcetest.Values{"timeout": 10})
	add("kubeadm_config", resourcetest.Values{"path": dir + "/kubeadm.yaml", "version": "1.34.4", "pod_cidr": "10.244.0.0/16"})
	for _, name := range []string{"lab-hello", "lab-daemon", "lab-conf", "openssh-server"} {
		add("package", resourcetest.Values{"name": name})
	}
	for _, name := range []string{"lab-daemon", "ssh", "dbus", "systemd-journald"} {
		add("service", resourcetest.Values{"name": name, "running": true})
	}
	for _, key := range []string{"ip_forward", "conf.all.rp_filter", "conf.all.accept_redirects", "conf.default.accept_redirects"} {
		add("sysctl", resourcetest.Values{"key": "net.ipv4." + key, "value": "1"})
	}
	for i := range 9 {
		add("directory", resourcetest.Values{"path": fmt.Sprintf("%s/d%d", dir, i), "mode": "0750"})
	}
	for i := 0; len(all) < 60; i++ {
		add("file", resourcetest.Values{"path": fmt.Sprintf("%s/f%d", dir, i), "content": fmt.Sprintf("file %d\n", i), "mode": "0640"})
	}
	seen := map[string]bool{}
	for _, o := range all {
		seen[o.typ.Name] = true
	}
	for _, typ := range modules.All() {
		if !seen[typ.Name] && canHave(typ) {
			t.Errorf("none of the objects is a %s", typ.Name)
		}
	}
	return all
}

// canHave tells whether the machines have what some case of the type needs.
func canHave(typ *resource.Type) bool {
	return slices.ContainsFunc(cases.All(), func(c resourcetest.Case) bool {
		return c.Type == typ.Name && !cannotTry(c)
	})
}

// converge makes all objects as wanted.
func converge(t *testing.T, s host.Session, all []object) {
	t.Helper()
	for i, o := range all {
		id := host.ActID{Run: fence.Run, Step: 1000 + i}
		fnErr, _ := s.Act(t.Context(), id, fence.Epoch, func(ctx context.Context, h host.Host) error {
			if o.typ.IsAct {
				_, err := o.typ.Do(ctx, h, o.want)
				return err
			}
			got, err := o.typ.Read(ctx, h, o.want)
			if err != nil || !o.differs(got, "") {
				return err
			}
			return o.typ.Apply(ctx, h, o.want, got)
		}, nil)
		if fnErr != nil {
			t.Fatalf("%v: %v", o, fnErr)
		}
	}
}

// readAll reads all objects at once, as a plan does, and what they need of the
// machine, and returns those that are not as wanted. Objects on which a Read
// fails are reported.
func readAll(t *testing.T, s host.Session, all []object) (different []object) {
	t.Helper()
	wrong := make([]bool, len(all))
	var fns []func(context.Context, host.Host) error
	for i, o := range all {
		fns = append(fns, func(ctx context.Context, h host.Host) error {
			got, due, err := o.read(ctx, h)
			wrong[i] = err == nil && o.differs(got, due)
			return named(o, err)
		})
		if o.typ.Inspects() {
			fns = append(fns, func(ctx context.Context, h host.Host) error {
				_, err := o.typ.Inspect(ctx, h, o.want, resource.Situation{Address: "10.0.2.15", Now: time.Now()})
				return named(o, err)
			})
		}
	}
	if err := errors.Join(s.Read(t.Context(), fns)...); err != nil {
		t.Error(err)
	}
	for i, o := range all {
		if wrong[i] {
			different = append(different, o)
		}
	}
	return different
}

func named(o object, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%v: %w", o, err)
}
