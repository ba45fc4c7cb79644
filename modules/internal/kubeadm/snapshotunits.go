package kubeadm

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/script"
)

// This file is how the snapshots of etcd stand in units of systemd.

const (
	snapshotTimer   = "kplan-etcd-snapshot.timer"
	snapshotService = "kplan-etcd-snapshot.service"
	unitDir         = "/etc/systemd/system/"
)

func (s EtcdSnapshot) timer() string {
	return "# Written by kplan.\n[Unit]\nDescription=Snapshots of etcd\n\n[Timer]\nOnCalendar=" + s.Schedule +
		"\nAccuracySec=1s\nPersistent=true\n\n[Install]\nWantedBy=timers.target\n"
}

func (s EtcdSnapshot) service() string {
	return "# Written by kplan.\n[Unit]\nDescription=A snapshot of etcd\n\n[Service]\nType=oneshot\nExecStart=" + script.EtcdFile +
		` save "` + quoteUnit.Replace(s.Path) + `" ` + strconv.Itoa(s.Keep) + "\n"
}

// How a word stands in quotes in a command of systemd.service(5), and back.
var (
	quoteUnit   = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`, `$`, `$$`)
	unquoteUnit = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `%%`, `%`, `$$`, `$`)
	onCalendar  = regexp.MustCompile(`(?m)^OnCalendar=(.*)$`)
	saves       = regexp.MustCompile(`(?m)^ExecStart=\S+ save "(.*)" ([0-9]+)$`)
)

// written is what the files of the units say.
func written(timer, service string) EtcdSnapshot {
	var got EtcdSnapshot
	if m := onCalendar.FindStringSubmatch(timer); m != nil {
		got.Schedule = m[1]
	}
	if m := saves.FindStringSubmatch(service); m != nil {
		got.Path = unquoteUnit.Replace(m[1])
		got.Keep, _ = strconv.Atoi(m[2])
	}
	return got
}

// calendar asks systemd to read a schedule.
func calendar(schedule string) host.Query {
	return host.Query{Argv: []string{"systemd-analyze", "calendar", "--", schedule}}
}
