package kube

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kplan/kplan/test/lab"
)

// The backups of a cluster of one machine, in a directory whose name has to be quoted.
const (
	backups = `/var/backups/it's "etcd"`
	backup  = `
  etcd_snapshot          = { schedule = "%s", keep = %d, path = "/var/backups/it's \"etcd\"" }
`
	kept = `cd "/var/backups/it's \"etcd\"" && `
)

// TestSnapshot restores the snapshot of a running cluster by the documented command, and wants the objects to be there again.
func TestSnapshot(t *testing.T) {
	c := newCluster(t, 15*time.Minute)
	s := newSpec(t, c)
	alone := regexp.MustCompile(`(?s)host "k8s-node2".*\n}\n\n(module)`).ReplaceAllString(s.text, "$1")
	alone = strings.Replace(alone, "role.worker", "[]", 1)
	end := strings.LastIndex(alone, "}")
	with := func(schedule string, keep int) {
		s.change(alone[:end] + fmt.Sprintf(backup, schedule, keep) + alone[end:])
	}

	with("*:*:0/10", 3)
	s.Want(0, "apply", "--auto-approve")
	s.still()
	s.stage("a cluster of one machine has a first snapshot")
	s.fires()
	s.stage("the timer has fired, and the oldest are gone")
	with("daily", 2)
	s.full()
	s.Want(0, "apply", "--auto-approve")
	s.holds(2)
	s.mends()
	s.still()
	s.stage("the schedule is another, and what was changed is repaired")
	s.restores()
	s.still()
	s.stage("the cluster is restored")

	s.change(alone)
	s.Want(0, "apply", "--auto-approve")
	first := s.machines[0]
	if left := s.ssh(first, "", "ls -d /etc/systemd/system/kplan-etcd* /usr/local/sbin/kplan-etcd /usr/local/libexec/kplan-etcdutl 2>/dev/null || :"); left != "" {
		t.Errorf("left on the machine:\n%s", left)
	}
	s.holds(2)
	s.still()
}

// fires waits until the timer has taken so many snapshots that the first is gone.
func (s *spec) fires() {
	s.t.Helper()
	s.ssh(s.machines[0], "", kept+`first=$(ls *.db | head -n 1)
timeout 90 sh -c 'while [ -e "$1" ]; do sleep 1; done' - "$first"; systemctl status kplan-etcd-snapshot.timer`)
}

// full has an apply fail for want of room, and wants to be told why.
func (s *spec) full() {
	s.t.Helper()
	first := s.machines[0]
	s.ssh(first, "", "systemctl stop kplan-etcd-snapshot.timer kplan-etcd-snapshot.service")
	s.ssh(first, "", kept+`mount -t tmpfs -o size=100k,mode=0700 none "$PWD"`)
	if r := s.Want(3, "apply", "--auto-approve"); !strings.Contains(r.Stderr, "cannot take a snapshot of etcd: kplan-etcd ended with exit status 1") ||
		!strings.Contains(r.Stderr, "no space left on device") {
		s.t.Errorf("without room an apply says\n%s", r.Stderr)
	}
	if left := s.ssh(first, "", kept+"ls -A"); left != "" {
		s.t.Errorf("without room it leaves\n%s", left)
	}
	s.ssh(first, "", kept+`full=$PWD && cd / && umount "$full"`)
}

// holds wants so many snapshots, whole and for root only, and no half one.
func (s *spec) holds(n int) {
	s.t.Helper()
	first := s.machines[0]
	want := regexp.MustCompile(fmt.Sprintf(`^(600 etcd-\d{8}T\d{6}Z.(db|members|tar)\n){%d}$`, 3*n))
	if got := s.ssh(first, "", kept+"stat -c '%a %n' $(ls -A)"); !want.MatchString(got) {
		s.t.Errorf("it holds, beside %d snapshots,\n%s", n, got)
	}
	if got := s.ssh(first, "", kept+"stat -c '%a %U' ."); got != "700 root\n" {
		s.t.Errorf("the directory is %s", got)
	}
}

// mends changes the timer and the command behind kplan's back.
func (s *spec) mends() {
	s.t.Helper()
	first := s.machines[0]
	s.ssh(first, "", "systemctl disable --now kplan-etcd-snapshot.timer 2>/dev/null; echo 'exit 0' >/usr/local/sbin/kplan-etcd")
	want := []string{"module.cluster.etcd_snapshot.main[0]@k8s-node1"}
	if got := s.drifted(); !slices.Equal(got, want) {
		s.t.Errorf("changed behind kplan's back: %q, want %q", got, want)
	}
	s.Want(0, "apply", "--auto-approve")
	s.ssh(first, "", "systemctl is-enabled kplan-etcd-snapshot.timer && systemctl is-active kplan-etcd-snapshot.timer")
}

// restores loses an object and restores it: by a file that is damaged, by a restore that is killed, by one that ends.
func (s *spec) restores() {
	s.t.Helper()
	first := s.machines[0]
	s.kubectl("create configmap before --from-literal=says=\"it's\"")
	s.ssh(first, "", "systemctl start kplan-etcd-snapshot")
	s.kubectl("delete configmap before")
	s.kubectl("create configmap after")

	file := strings.TrimSpace(s.ssh(first, "", kept+"ls -d \"$PWD\"/etcd-*.db | tail -n 1"))
	quoted := `"$(cat /root/newest)"`
	s.ssh(first, file, "cat >/root/newest")
	s.ssh(first, "", "cp "+quoted+" /root/bad.db && printf x | dd of=/root/bad.db bs=1 seek=100000 conv=notrunc")
	if _, err := s.try(first, "", "kplan-etcd restore /root/bad.db"); err == nil || !strings.Contains(err.Error(), "/root/bad.db is damaged") {
		s.t.Errorf("a damaged file gives %v", err)
	}
	s.kubectl("get configmap after")
	s.stage("a damaged file is refused")

	s.ssh(first, "", `setsid kplan-etcd restore `+quoted+` >/root/cut.log 2>&1 </dev/null & cut=$!
timeout 60 sh -c 'until [ -e /etc/kubernetes/kplan-restore/etcd.yaml ]; do sleep 0.1; done' && kill -9 -- "-$cut"
kill -9 $(pidof etcd kube-apiserver); timeout 60 sh -c 'while pidof etcd kube-apiserver; do sleep 0.1; done'`)
	s.stage("a restore is killed while it stops etcd, and etcd is not there any more")
	fmt.Fprint(s.t.Output(), s.ssh(first, "", "kplan-etcd restore "+quoted))
	s.stage("the next one has ended")

	if got := s.kubectl("get configmap before -o jsonpath={.data.says}"); got != "it's" {
		s.t.Errorf("the object is back as %q", got)
	}
	if got := s.kubectl("get configmap after --ignore-not-found"); got != "" {
		s.t.Errorf("an object is there that the snapshot has not:\n%s", got)
	}
	s.kubectl("wait --for=condition=Ready nodes --all --timeout=180s")
	// The controllers go on too: a namespace gets its account.
	s.kubectl("create namespace later")
	s.kubectl("-n later wait --for=create serviceaccount/default --timeout=120s")
	if got := s.ssh(first, "", "ls -d /var/lib/etcd/member.before-* | wc -l"); strings.TrimSpace(got) != "1" {
		s.t.Errorf("the data of before is kept %s times", got)
	}
}

// restoresAlone restores an object of a control plane of two members by the three documented steps: the other is reset, the one
// restored alone, and the next apply lets the other join again.
func (s *spec) restoresAlone(one, other *lab.Machine) {
	s.t.Helper()
	s.plane = one
	s.kubectl("create configmap before --from-literal=says=here")
	s.ssh(one, "", "systemctl start kplan-etcd-snapshot")
	s.kubectl("delete configmap before")
	const newest = `"$(ls /var/backups/etcd/etcd-*.db | tail -n 1)"`
	if _, err := s.try(one, "", "kplan-etcd restore "+newest); err == nil || !strings.Contains(err.Error(), "etcd has other members") {
		s.t.Errorf("with another member a restore says %v", err)
	}

	s.ssh(other, "", "kubeadm reset --force")
	s.ssh(one, "", "kplan-etcd restore --alone "+newest)
	s.stage("one of two members is restored, alone")
	plan := s.secretly(1)
	s.says(plan, "# module.cluster.kubeadm_control_plane.main@"+other.Name+" will be created", "via join "+one.Name)
	s.areMembers(one, one, other)
	if got := s.kubectl("get configmap before -o jsonpath={.data.says}"); got != "here" {
		s.t.Errorf("the object is back as %q", got)
	}
	s.still()
	s.stage("the other has joined again")
}
