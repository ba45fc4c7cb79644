package linux_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/modules/resource/resourcetest"
)

func TestServiceThatIsNotThere(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	typ := typeOf(t, "service")
	off := object(t, typ, values{"name": "firewalld", "enabled": false, "running": false})
	if got, err := typ.Read(t.Context(), m.Reader(), off); err != nil || len(resourcetest.Diff(typ, off, got)) > 0 {
		t.Errorf("%#v, error %v", got, err)
	}
	on := object(t, typ, values{"name": "kubelet", "enabled": true})
	if got, err := typ.Read(t.Context(), m.Reader(), on); err != nil || !got.IsNull() {
		t.Errorf("%#v, error %v", got, err)
	}
	err := typ.Apply(t.Context(), m.Host(), on, cty.NullVal(typ.Schema.Object()))
	if err == nil || !strings.Contains(err.Error(), "kubelet.service does not exist") {
		t.Errorf("error %v", err)
	}
}

func TestServiceThatCannotBeEnabled(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	m.Put("/lib/systemd/system/static.service", "[Service]\n")
	typ := typeOf(t, "service")
	for _, enabled := range []bool{true, false} {
		want := object(t, typ, values{"name": "static", "enabled": enabled})
		if got, err := typ.Read(t.Context(), m.Reader(), want); err != nil || len(resourcetest.Diff(typ, want, got)) > 0 {
			t.Errorf("%#v, error %v", got, err)
		}
	}
}

func TestServiceRefresh(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	m.AddUnit("a.service", hosttest.Unit{Running: true, Starts: 1})
	m.AddUnit("b.service", hosttest.Unit{})
	typ := typeOf(t, "service")
	for _, name := range []string{"a", "b"} {
		if err := typ.Refresh(t.Context(), m.Host(), object(t, typ, values{"name": name, "enabled": true})); err != nil {
			t.Fatal(err)
		}
	}
	a, _ := m.Unit("a.service")
	b, _ := m.Unit("b.service")
	if a.Starts != 2 || b.Running {
		t.Errorf("%+v %+v", a, b)
	}
	if got := typ.Disrupts(object(t, typ, values{"name": "a", "running": false}), object(t, typ, values{"name": "a", "running": true})); !slices.Equal(got, []string{"stops a.service"}) {
		t.Errorf("disrupts %v", got)
	}
}

func TestSystemdUnitLeavesWhatIsOthers(t *testing.T) {
	const vendor, foreign, ours = "/lib/systemd/system/kubelet.service", "/etc/systemd/system/kubelet.service.d/proxy.conf", "/etc/systemd/system/kubelet.service.d/10-a.conf"
	m := hosttest.New(hosttest.Report(t.Errorf))
	m.Put(vendor, "[Service]\nExecStart=/bin/true\n")
	m.Put(foreign, "[Service]\nNice=1\n")
	typ := typeOf(t, "systemd_unit")
	v := values{"name": "kubelet", "drop_ins": map[string]string{"10-a.conf": "[Service]\nNice=2\n"}}
	apply(t, m, "systemd_unit", v)
	if got := m.Content(ours); got != "# Written by kplan.\n[Service]\nNice=2\n" {
		t.Errorf("the drop-in is %q", got)
	}
	whole := object(t, typ, values{"name": "kubelet", "content": "[Service]\nExecStart=/bin/true\n"})
	if got, err := typ.Read(t.Context(), m.Reader(), whole); err != nil || !got.IsNull() {
		t.Errorf("a package's unit is read as %#v, error %v", got, err)
	}
	if err := typ.Delete(t.Context(), m.Host(), object(t, typ, v)); err != nil {
		t.Fatal(err)
	}
	if m.File(ours) != nil || m.File(foreign) == nil || m.File(vendor) == nil {
		t.Errorf("after delete: %v, %v, %v", m.File(ours), m.File(foreign), m.File(vendor))
	}
	m.RemoveAll(foreign)
	apply(t, m, "systemd_unit", v)
	if err := typ.Delete(t.Context(), m.Host(), object(t, typ, v)); err != nil || m.File("/etc/systemd/system/kubelet.service.d") != nil {
		t.Errorf("an empty directory stays, error %v", err)
	}
}

// TestSystemdUnitIsReadAgain cuts an apply off between the file and systemd's
// reading of it.
func TestSystemdUnitIsReadAgain(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	m.Put("/etc/systemd/system/a.service", "[Service]\nExecStart=/bin/a\n")
	if _, err := host.Exec(t.Context(), m.Host(), "systemctl", "start", "a.service"); err != nil {
		t.Fatal(err)
	}
	typ := typeOf(t, "systemd_unit")
	v := values{"name": "a.service", "content": "[Service]\nExecStart=/bin/b\n"}
	want := object(t, typ, v)
	lost := errors.New("cut off")
	m.Arrange(hosttest.Fault{Op: 2, Err: lost})
	if err := typ.Apply(t.Context(), m.Host(), want, cty.NullVal(typ.Schema.Object())); !errors.Is(err, lost) {
		t.Fatalf("error %v", err)
	}
	got, err := typ.Read(t.Context(), m.Reader(), want)
	if err != nil || !slices.Equal(resourcetest.Diff(typ, want, got), []string{"content"}) {
		t.Errorf("a file that systemd has not read is %#v, error %v", got, err)
	}
	apply(t, m, "systemd_unit", v)
	if got, err := typ.Read(t.Context(), m.Reader(), want); err != nil || len(resourcetest.Diff(typ, want, got)) > 0 {
		t.Errorf("afterwards it is %#v, error %v", got, err)
	}
}

// reloads counts how often systemd was told to read its files.
func reloads(m *hosttest.Machine) (n int) {
	for _, a := range m.Acts() {
		if run, ok := a.Op.(host.Run); ok && slices.Equal(run.Argv, []string{"systemctl", "daemon-reload"}) {
			n++
		}
	}
	return n
}

// together is a service that runs, with one more drop-in and one fewer; its
// timer; and drop-ins of a package's unit: wanted, and on a machine that has the
// service as it was.
func together(t *testing.T) (m *hosttest.Machine, wants, priors []cty.Value) {
	t.Helper()
	m = hosttest.New(hosttest.Report(t.Errorf))
	m.Put("/lib/systemd/system/kubelet.service", "[Service]\nExecStart=/bin/true\n")
	apply(t, m, "systemd_unit", values{"name": "a", "content": "[Service]\nExecStart=/bin/a\n", "drop_ins": map[string]string{"10-a.conf": "[Service]\nNice=1\n"}})
	for _, unit := range []string{"a", "kubelet"} {
		if _, err := host.Exec(t.Context(), m.Host(), "systemctl", "start", unit); err != nil {
			t.Fatal(err)
		}
	}
	typ := typeOf(t, "systemd_unit")
	for _, v := range []values{
		{"name": "a", "content": "[Service]\nExecStart=/bin/b\n", "drop_ins": map[string]string{"20-b.conf": "[Service]\nNice=2\n"}},
		{"name": "a.timer", "content": "[Timer]\nOnCalendar=daily\n"},
		{"name": "kubelet", "drop_ins": map[string]string{"10-k.conf": "[Service]\nNice=3\n"}},
	} {
		want := object(t, typ, v)
		prior, err := typ.Read(t.Context(), m.Reader(), want)
		if err != nil {
			t.Fatal(err)
		}
		wants, priors = append(wants, want), append(priors, prior)
	}
	return m, wants, priors
}

// areAsWanted wants the units as they are to be, none of them started again, and
// the drop-in gone that was dropped.
func areAsWanted(t *testing.T, m *hosttest.Machine, wants []cty.Value) {
	t.Helper()
	typ := typeOf(t, "systemd_unit")
	for _, want := range wants {
		if got, err := typ.Read(t.Context(), m.Reader(), want); err != nil || len(resourcetest.Diff(typ, want, got)) > 0 {
			t.Errorf("it is %#v, error %v, want %#v", got, err, want)
		}
	}
	if m.File("/etc/systemd/system/a.service.d/10-a.conf") != nil {
		t.Error("the drop-in that was dropped is still there")
	}
	for name, want := range map[string]hosttest.Unit{"a.service": {Running: true, Starts: 1}, "a.timer": {}, "kubelet.service": {Running: true, Starts: 1}} {
		if u, ok := m.Unit(name); !ok || u.Enabled != want.Enabled || u.Running != want.Running || u.Starts != want.Starts {
			t.Errorf("%s is %+v, %v", name, u, ok)
		}
	}
}

func TestSystemdUnitsAreReadAgainOnce(t *testing.T) {
	m, wants, priors := together(t)
	before := reloads(m)
	if err := typeOf(t, "systemd_unit").ApplyAll(t.Context(), m.Host(), wants, priors); err != nil {
		t.Fatal(err)
	}
	if n := reloads(m) - before; n != 1 {
		t.Errorf("systemd read its files %d times", n)
	}
	areAsWanted(t, m, wants)
}

// TestSystemdUnitsAfterACut cuts the act of all of them off at each of its
// operations; what is not as wanted then is applied by itself.
func TestSystemdUnitsAfterACut(t *testing.T) {
	typ := typeOf(t, "systemd_unit")
	for n, cut := 1, true; cut; n++ {
		m, wants, priors := together(t)
		m.Arrange(hosttest.Fault{Op: n})
		err := typ.ApplyAll(t.Context(), m.Host(), wants, priors)
		cut = !m.Pending()
		m.Forgive()
		if cut != (err != nil) {
			t.Fatalf("cut off at operation %d: %v, error %v", n, cut, err)
		}
		for _, want := range wants {
			got, err := typ.Read(t.Context(), m.Reader(), want)
			if err != nil {
				t.Fatal(err)
			}
			if len(resourcetest.Diff(typ, want, got)) == 0 {
				continue
			}
			if err := typ.Apply(t.Context(), m.Host(), want, got); err != nil {
				t.Fatal(err)
			}
		}
		areAsWanted(t, m, wants)
	}
}
