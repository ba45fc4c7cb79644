package kubeadm_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/modules/internal/kubeadm"
	"github.com/kplan/kplan/modules/resource"
)

var (
	nothingUnknown = func(string) bool { return false }
	daily          = kubeadm.EtcdSnapshot{Schedule: "daily", Keep: 2, Path: "/var/backups/etcd", Intact: true}
)

func TestSnapshotValidate(t *testing.T) {
	for _, c := range []struct {
		change func(s *kubeadm.EtcdSnapshot)
		field  string
		says   string
	}{
		{func(s *kubeadm.EtcdSnapshot) { s.Schedule = "" }, "schedule", `such as "daily"`},
		{func(s *kubeadm.EtcdSnapshot) { s.Schedule = "daily " }, "schedule", `such as "daily"`},
		{func(s *kubeadm.EtcdSnapshot) { s.Schedule = "daily\nUnit=ssh.service" }, "schedule", `such as "daily"`},
		{func(s *kubeadm.EtcdSnapshot) { s.Keep = 0 }, "keep", "from 1 on"},
		{func(s *kubeadm.EtcdSnapshot) { s.Path = "backups" }, "path", `"/var/backups/etcd"`},
		{func(s *kubeadm.EtcdSnapshot) { s.Path = "/var/../x" }, "path", `"/var/backups/etcd"`},
		{func(s *kubeadm.EtcdSnapshot) { s.Path = "/" }, "path", `"/var/backups/etcd"`},
		{func(s *kubeadm.EtcdSnapshot) { s.Path = "/x\ny" }, "path", `"/var/backups/etcd"`},
		{func(s *kubeadm.EtcdSnapshot) { s.Intact = false }, "intact", "Leave intact out"},
	} {
		s := daily
		c.change(&s)
		field, ok := errors.AsType[*resource.FieldError](s.Validate(nothingUnknown))
		if !ok || field.Field != c.field || !strings.Contains(field.Msg, c.says) {
			t.Errorf("%+v gives %+v", s, field)
		}
		if err := s.Validate(func(attr string) bool { return attr == c.field }); err != nil {
			t.Errorf("%+v, with %s unknown, gives %v", s, c.field, err)
		}
	}
	if err := daily.Validate(nothingUnknown); err != nil {
		t.Error(err)
	}
}

// plane is a control plane in memory.
func plane(t *testing.T) *hosttest.Machine {
	t.Helper()
	m := hosttest.New(hosttest.Report(t.Errorf))
	if err := m.Found(t.Context()); err != nil {
		t.Fatal(err)
	}
	return m
}

func names(t *testing.T, m *hosttest.Machine, dir string) []string {
	t.Helper()
	res, err := m.Host().Do(t.Context(), host.ReadFile{Path: dir, List: true})
	if err != nil || res[0].File == nil {
		t.Fatalf("%s: %v", dir, err)
	}
	return res[0].File.Entries
}

func TestSnapshotDrift(t *testing.T) {
	const units = "/etc/systemd/system/"
	for name, change := range map[string]host.Op{
		"the timer is disabled":    host.Run{Argv: []string{"systemctl", "disable", "--", "kplan-etcd-snapshot.timer"}},
		"the timer is stopped":     host.Run{Argv: []string{"systemctl", "stop", "--", "kplan-etcd-snapshot.timer"}},
		"the timer is masked away": host.Remove{Path: units + "kplan-etcd-snapshot.timer"},
		"the service is removed":   host.Remove{Path: units + "kplan-etcd-snapshot.service"},
		"the service is another":   host.WriteFile{Path: units + "kplan-etcd-snapshot.service", Content: []byte("[Service]\nExecStart=/bin/true\n"), Mode: 0o644},
		"the script is removed":    host.Remove{Path: "/usr/local/sbin/kplan-etcd"},
		"the script is another":    host.WriteFile{Path: "/usr/local/sbin/kplan-etcd", Content: []byte("#!/bin/sh\n"), Mode: 0o755},
		"the script does not run":  host.Run{Argv: []string{"chmod", "0644", "/usr/local/sbin/kplan-etcd"}},
		"all may read":             host.Run{Argv: []string{"chmod", "0755", "/var/backups/etcd"}},
		"the snapshots are gone":   host.Run{Argv: []string{"rm", "-rf", "/var/backups/etcd"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := plane(t)
			if err := daily.Apply(t.Context(), m.Host(), nil); err != nil {
				t.Fatal(err)
			}
			if _, err := m.Host().Do(t.Context(), change); err != nil {
				t.Fatal(err)
			}
			got, err := daily.Read(t.Context(), m.Host())
			if err != nil || got == nil || got.Intact {
				t.Fatalf("it is read as %+v, error %v", got, err)
			}
			if err := daily.Apply(t.Context(), m.Host(), got); err != nil {
				t.Fatal(err)
			}
			if got, err = daily.Read(t.Context(), m.Host()); err != nil || got == nil || *got != daily {
				t.Errorf("after another apply it is read as %+v, error %v", got, err)
			}
		})
	}
}

// TestSnapshotAtOnce: each apply takes one, and only the last are kept.
func TestSnapshotAtOnce(t *testing.T) {
	m := plane(t)
	for range 3 {
		if err := daily.Apply(t.Context(), m.Host(), nil); err != nil {
			t.Fatal(err)
		}
	}
	got := slices.DeleteFunc(names(t, m, daily.Path), func(n string) bool { return !strings.HasSuffix(n, ".db") })
	if want := []string{"etcd-00000002T000000Z.db", "etcd-00000003T000000Z.db"}; !slices.Equal(got, want) {
		t.Errorf("kept are %q, want %q", got, want)
	}
}

// TestSnapshotOfNothing: where no snapshot can be taken, no timer promises any.
func TestSnapshotOfNothing(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	err := daily.Apply(t.Context(), m.Host(), nil)
	if err == nil || !strings.Contains(err.Error(), "cannot take a snapshot of etcd: kplan-etcd ended with exit status 1: kplan-etcd: there is no /etc/kubernetes/manifests/etcd.yaml") {
		t.Errorf("it says %v", err)
	}
	if u, _ := m.Unit("kplan-etcd-snapshot.timer"); u.Enabled || u.Running {
		t.Errorf("the timer is %+v", u)
	}
}

// TestSnapshotFails: where a change cannot take one, the timer stays as it was, and the next apply tries again.
func TestSnapshotFails(t *testing.T) {
	m := plane(t)
	if err := daily.Apply(t.Context(), m.Host(), nil); err != nil {
		t.Fatal(err)
	}
	m.Handle("kplan-etcd", func(*hosttest.Call) host.Output { return host.Output{Code: 1, Stderr: []byte("no space\n")} })
	hourly := daily
	hourly.Schedule = "hourly"
	if err := hourly.Apply(t.Context(), m.Host(), &daily); err == nil || !strings.HasSuffix(err.Error(), ": no space") {
		t.Errorf("it says %v", err)
	}
	if got, err := hourly.Read(t.Context(), m.Host()); err != nil || got == nil || *got != daily {
		t.Errorf("it is then read as %+v, error %v", got, err)
	}
}

func TestSnapshotSchedule(t *testing.T) {
	m := plane(t)
	s := daily
	s.Schedule = "each day"
	_, err := s.Read(t.Context(), m.Host())
	if field, ok := errors.AsType[*resource.FieldError](err); !ok || field.Field != "schedule" || !strings.Contains(field.Msg, `"each day"`) {
		t.Errorf("it says %v", err)
	}
	s.Schedule = "" // not known yet
	if got, err := s.Read(t.Context(), m.Host()); err != nil || got != nil {
		t.Errorf("without a schedule it is read as %+v, error %v", got, err)
	}
}
