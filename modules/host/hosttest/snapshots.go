package hosttest

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/script"
)

// kplanEtcd is script.Etcd where it is installed; of what that can do it knows
// how to save. The times in the names count the snapshots.
func kplanEtcd(c *Call) host.Output {
	text, there := c.Content(c.Argv[0])
	switch {
	case !there:
		return fail(127, c.Argv[0]+": "+noEntry)
	case !strings.HasSuffix(text, script.Etcd) || len(c.Argv) < 4 || len(c.Argv) > 5 || c.Argv[1] != "save":
		return c.Unknown()
	}
	keep, err := strconv.Atoi(c.Argv[3])
	if err != nil {
		return c.Unknown()
	}
	if c.m.cluster == nil {
		return fail(1, "kplan-etcd: there is no "+manifest("etcd")+": this machine is no control plane that kubeadm made with an etcd of its own")
	}
	c.Change()
	dir, name := c.Argv[2], "etcd"
	if len(c.Argv) == 5 {
		name = c.Argv[4]
	}
	if !c.Exists(dir) {
		c.m.putDir(dir)
		c.m.tree[dir].mode = 0o700
	}
	var old []string
	for _, entry := range c.m.tree.entries(dir) {
		if strings.HasPrefix(entry, name+"-") && path.Ext(entry) == ".db" {
			old = append(old, strings.TrimSuffix(entry, ".db"))
		}
	}
	next := 1
	if len(old) > 0 {
		if _, err := fmt.Sscanf(slices.Max(old), name+"-%08dT000000Z", &next); err != nil {
			return c.Unknown()
		}
		next++
	}
	file := fmt.Sprintf("%s-%08dT000000Z", name, next)
	for _, kind := range []string{".members", ".tar", ".db"} {
		c.m.put(path.Join(dir, file+kind), "of etcd\n")
		c.m.tree[path.Join(dir, file+kind)].mode = 0o600
	}
	for ; len(old) >= keep; old = old[1:] {
		for _, kind := range []string{".members", ".tar", ".db"} {
			c.Remove(path.Join(dir, old[0]+kind))
		}
	}
	c.m.put(script.EtcdTool, "etcdutl\n")
	return say("kplan-etcd: saved " + path.Join(dir, file+".db") + "\n")
}

var calendarEvent = regexp.MustCompile(`^((\*|\d+)-(\*|\d+)-(\*|\d+) )?(\*|\d+):(\*|\d+):(\*|\d+)(/\d+)?$`)

// systemdAnalyze knows the calendar events with names and those of numbers.
func systemdAnalyze(c *Call) host.Output {
	if len(c.Argv) != 4 || c.Argv[1] != "calendar" || c.Argv[2] != "--" {
		return c.Unknown()
	}
	event := c.Argv[3]
	if slices.Contains([]string{"minutely", "hourly", "daily", "weekly", "monthly", "yearly"}, event) || calendarEvent.MatchString(event) {
		return say("Normalized form: " + event + "\n")
	}
	return fail(1, "Failed to parse calendar specification '"+event+"': Invalid argument")
}
