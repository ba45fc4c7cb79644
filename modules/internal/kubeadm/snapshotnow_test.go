package kubeadm

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
)

// What a risky step takes is kept beside the others, and leaves the command that
// restores it.
func TestSnapshotNow(t *testing.T) {
	daily := EtcdSnapshot{Schedule: "daily", Keep: 7, Path: "/var/backups/etcd", Intact: true}
	_, m, _ := worlds(t)
	for range 6 {
		if err := snapshotNow(t.Context(), m.Host()); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := daily.Read(t.Context(), m.Host()); err != nil || got != nil {
		t.Errorf("without a resource there is %+v, error %v", got, err)
	}
	if err := daily.Apply(t.Context(), m.Host(), nil); err != nil {
		t.Fatal(err)
	}
	dir, err := m.Host().Do(t.Context(), host.ReadFile{Path: daily.Path, List: true})
	if err != nil {
		t.Fatal(err)
	}
	got := slices.DeleteFunc(dir[0].File.Entries, func(n string) bool { return !strings.HasSuffix(n, ".db") })
	if len(got) != 6 || got[0] != "before-00000002T000000Z.db" || got[5] != "etcd-00000001T000000Z.db" {
		t.Errorf("kept are %q", got)
	}
	if got, err := daily.Read(t.Context(), m.Host()); err != nil || got == nil || *got != daily {
		t.Errorf("the resource is then read as %+v, error %v", got, err)
	}
	bare := hosttest.New(hosttest.Report(t.Errorf))
	if err := snapshotNow(t.Context(), bare.Host()); err == nil {
		t.Error("a machine without a cluster gives a snapshot")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := snapshotNow(ctx, m.Host()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled, it says %v", err)
	}
}

// A directory that is not root's alone is not taken from the others.
func TestSnapshotsTakeNothingFromOthers(t *testing.T) {
	for _, path := range []string{"/etc/kubernetes", "/etc/kubernetes/backup", "/var/lib", "/var/lib/etcd/x"} {
		s := EtcdSnapshot{Schedule: "daily", Keep: 7, Path: path, Intact: true}
		if err := s.Validate(func(string) bool { return false }); err == nil {
			t.Errorf("%s is accepted", path)
		}
	}
	_, m, _ := worlds(t)
	m.PutDir("/srv/data")
	s := EtcdSnapshot{Schedule: "daily", Keep: 7, Path: "/srv/data", Intact: true}
	if err := s.Apply(t.Context(), m.Host(), nil); err == nil || m.File("/srv/data").Mode == 0o700 {
		t.Errorf("%v, it is %+v", err, m.File("/srv/data"))
	}
}
