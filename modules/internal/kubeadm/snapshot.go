package kubeadm

import (
	"context"
	"fmt"
	"path"
	"strings"
	"unicode"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/script"
	"github.com/kplan/kplan/modules/resource"
)

var etcdSnapshot = resource.Define[EtcdSnapshot]("etcd_snapshot")

// EtcdSnapshot saves snapshots of the etcd that kubeadm made on a control plane,
// by a timer of systemd, and keeps the last of them.
//
// A snapshot is three files in path, which only root can read, since all secrets
// of the cluster are in them: etcd-TIME.db as etcdctl saves it, verified by its
// digest and by etcdutl; etcd-TIME.tar with /etc/kubernetes, whose keys the
// database is of no use without on another machine; etcd-TIME.members with the
// members of etcd. It is there whole or not at all, and old ones go only then.
// Each change of the resource takes one at once, so that it is known to work;
// `systemctl start kplan-etcd-snapshot` takes one more, `journalctl -u
// kplan-etcd-snapshot` tells of all. Copies on other machines are up to you.
//
// Run on the machine, `kplan-etcd restore FILE.db` makes etcd what it was then:
// see docs/backup.md. Delete takes the timer and the commands away, and leaves the
// snapshots.
//
//	resource "etcd_snapshot" "main" {
//	  on         = role.control-plane
//	  schedule   = "*-*-* 03:00:00"
//	  keep       = 14
//	  depends_on = [kubeadm_control_plane.main]
//	}
type EtcdSnapshot struct {
	Schedule string `cty:"schedule" kplan:"default=daily"`         // when, as systemd.time(7) writes calendar events
	Keep     int    `cty:"keep" kplan:"default=7"`                 // how many
	Path     string `cty:"path" kplan:"default=/var/backups/etcd"` // directory they are in
	Intact   bool   `cty:"intact" kplan:"default=true"`            // the timer runs, and is as kplan made it; true mends it
}

// Validate implements resource.Validator.
func (s EtcdSnapshot) Validate(unknown func(string) bool) error {
	control := func(text string) bool { return strings.ContainsFunc(text, unicode.IsControl) }
	switch {
	case !unknown("schedule") && (s.Schedule == "" || s.Schedule != strings.TrimSpace(s.Schedule) || control(s.Schedule)):
		return noSchedule(s.Schedule)
	case !unknown("keep") && s.Keep < 1:
		return &resource.FieldError{Field: "keep", Msg: fmt.Sprintf("At least one snapshot is kept, not %d. Write a number from 1 on.", s.Keep)}
	case !unknown("path") && (!path.IsAbs(s.Path) || s.Path != path.Clean(s.Path) || s.Path == "/" || control(s.Path)):
		return &resource.FieldError{Field: "path", Msg: fmt.Sprintf("%q is no path of a directory from the root. Write one such as \"/var/backups/etcd\".", s.Path)}
	case !unknown("path") && (within(s.Path, "/etc/kubernetes") || within(s.Path, "/var/lib/etcd")):
		return &resource.FieldError{Field: "path", Msg: fmt.Sprintf("%q is of what is saved, or goes with it. Write a directory elsewhere, such as \"/var/backups/etcd\".", s.Path)}
	case !unknown("intact") && !s.Intact:
		return &resource.FieldError{Field: "intact", Msg: "It is never wanted that somebody changes what kplan made. Leave intact out."}
	}
	return nil
}

// within reports whether one of two paths holds the other, or is it.
func within(a, b string) bool {
	return a == b || strings.HasPrefix(a, b+"/") || strings.HasPrefix(b, a+"/")
}

func noSchedule(text string) error {
	return &resource.FieldError{Field: "schedule", Msg: fmt.Sprintf("systemd knows no calendar event %q. Write one as systemd.time(7) has it, such as \"daily\" or \"*-*-* 03:00:00\".", text)}
}

// Claims implements resource.Claimer.
func (s EtcdSnapshot) Claims() []string {
	return []string{
		"snapshots of etcd", "path " + s.Path, "path " + script.EtcdFile, "path " + unitDir + snapshotTimer, "path " + unitDir + snapshotService,
		"files of the unit " + snapshotTimer, "files of the unit " + snapshotService, "unit " + snapshotTimer,
	}
}

// Read makes one call. What systemd cannot read as a schedule is refused here, so
// that a plan does not promise it.
func (s EtcdSnapshot) Read(ctx context.Context, h host.Host) (*EtcdSnapshot, error) {
	ops := []host.Op{
		host.Query{Argv: []string{"systemctl", "show", "--property=UnitFileState,ActiveState,NeedDaemonReload", "--", snapshotTimer, snapshotService}, AnyExit: true},
		host.ReadFile{Path: unitDir + snapshotTimer},
		host.ReadFile{Path: unitDir + snapshotService},
		host.ReadFile{Path: script.EtcdFile},
	}
	if s.Path != "" {
		ops = append(ops, host.ReadFile{Path: s.Path})
	}
	if s.Schedule != "" {
		ask := calendar(s.Schedule)
		ask.AnyExit = true
		ops = append(ops, ask)
	}
	res, err := h.Do(ctx, ops...)
	if err != nil {
		return nil, err
	}
	if s.Schedule != "" && res[len(res)-1].Output.Code != 0 {
		return nil, noSchedule(s.Schedule)
	}
	timer, service, file := res[1].File, res[2].File, res[3].File
	if timer == nil && service == nil {
		return nil, nil
	}
	got := written(raw(timer), raw(service))
	states := string(res[0].Output.Stdout)
	got.Intact = raw(timer) == got.timer() && raw(service) == got.service() && raw(file) == snapshotScript && file.Mode == 0o755 &&
		strings.Contains(states, "UnitFileState=enabled\n") && strings.Contains(states, "ActiveState=active\n") &&
		!strings.Contains(states, "NeedDaemonReload=yes\n")
	if got.Path == s.Path {
		dir := res[4].File
		got.Intact = got.Intact && dir != nil && dir.Kind == host.KindDir && dir.Mode == 0o700 && dir.Owner == "root"
	}
	return &got, nil
}

func raw(f *host.File) string {
	if f == nil {
		return ""
	}
	return string(f.Content)
}

// Apply makes five calls. A directory that is there and that others may read is
// not taken from them: a snapshot comes before the units, so that where none
// can be taken the timer stays as it was, and the next apply tries again.
func (s EtcdSnapshot) Apply(ctx context.Context, h host.Host, prior *EtcdSnapshot) error {
	found, err := host.Read(ctx, h, s.Path)
	if err != nil {
		return err
	}
	if f := found[0]; f != nil && (prior == nil || prior.Path != s.Path) && (f.Kind != host.KindDir || f.Mode != 0o700 || f.Owner != "root") {
		return &host.OpError{Op: "keep snapshots in", Path: s.Path, Msg: "it is there, and not a directory of root alone (mode 0700); name one that is not there yet"}
	}
	_, err = h.Do(ctx,
		calendar(s.Schedule),
		host.Run{Argv: []string{"mkdir", "-p", path.Dir(s.Path)}},
		host.MakeDir{Path: s.Path, Mode: 0o700, Owner: "root", Group: "root"},
	)
	if err != nil {
		return err
	}
	if err := snapshot(ctx, h, s.Path, s.Keep, "etcd"); err != nil {
		return err
	}
	_, err = h.Do(ctx,
		host.WriteFile{Path: unitDir + snapshotService, Content: []byte(s.service()), Mode: 0o644},
		host.WriteFile{Path: unitDir + snapshotTimer, Content: []byte(s.timer()), Mode: 0o644},
		host.Run{Argv: []string{"systemctl", "daemon-reload"}},
		host.Run{Argv: []string{"systemctl", "enable", "--", snapshotTimer}},
		host.Run{Argv: []string{"systemctl", "restart", "--", snapshotTimer}},
	)
	return err
}

// Delete implements resource.Deleter.
func (s EtcdSnapshot) Delete(ctx context.Context, h host.Host) error {
	_, err := h.Do(ctx,
		host.Run{Argv: []string{"systemctl", "stop", "--", snapshotTimer}, AnyExit: true},    // of a timer that is not there
		host.Run{Argv: []string{"systemctl", "disable", "--", snapshotTimer}, AnyExit: true}, // too
		host.Remove{Path: unitDir + snapshotTimer},
		host.Remove{Path: unitDir + snapshotService},
		host.Remove{Path: script.EtcdFile},
		host.Remove{Path: script.EtcdTool},
		host.Run{Argv: []string{"systemctl", "daemon-reload"}},
	)
	return err
}
