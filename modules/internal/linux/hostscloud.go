package linux

import (
	"cmp"
	"context"
	"path"
	"slices"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
)

// Where cloud-init has its configuration, from the weakest to the strongest:
// that of the image, and what the cloud and its user said of the machine.
const (
	cloudFile  = "/etc/cloud/cloud.cfg"
	cloudDir   = "/etc/cloud/cloud.cfg.d"
	cloudUser  = "/var/lib/cloud/instance/cloud-config.txt"
	cloudOff   = "/etc/cloud/cloud-init.disabled"
	cloudHosts = cloudDir + "/99-hosts.cfg"
)

// Inspect implements resource.Inspector: cloud-init writes /etc/hosts anew at
// each boot where manage_etc_hosts says so (cloud-init's module "Update Etc
// Hosts").
func (f HostsFile) Inspect(ctx context.Context, h host.Host, _ resource.Situation) ([]resource.Finding, error) {
	if f.Path != "/etc/hosts" {
		return nil, nil
	}
	res, err := h.Do(
		ctx,
		host.ReadFile{Path: cloudOff},
		host.Query{Argv: []string{"grep", "-rsE", "^manage_etc_hosts:", "--", cloudFile, cloudDir, cloudUser}, AnyExit: true},
	)
	if err != nil || res[0].File != nil {
		return nil, err
	}
	from := rewritten(string(res[1].Output.Stdout))
	if from == "" {
		return nil, nil
	}
	advice := "Write manage_etc_hosts: false into " + cloudHosts + ", such as by a resource file that this one depends on."
	if from == cloudUser {
		advice = "That is what the cloud or its user gave the machine, and stronger than what stands in /etc/cloud: say manage_etc_hosts: false there, or turn cloud-init off once the machine is set up, by the file " + cloudOff + "."
	}
	return []resource.Finding{{
		Name: "cloud-init", Msg: "cloud-init writes /etc/hosts anew at each boot, without these entries (manage_etc_hosts in " + from + ")",
		Advice: advice, Resolved: "path " + cloudHosts,
	}}, nil
}

// rewritten is the file by which cloud-init rewrites /etc/hosts, of lines
// "FILE:manage_etc_hosts: VALUE"; "" where the last word is that it does not.
func rewritten(lines string) string {
	all := slices.Collect(strings.Lines(lines))
	rank := func(line string) int {
		return slices.IndexFunc([]string{cloudFile + ":", cloudDir + "/", cloudUser + ":"}, func(p string) bool { return strings.HasPrefix(line, p) })
	}
	slices.SortStableFunc(all, func(a, b string) int {
		fileA, _, _ := strings.Cut(a, ":")
		fileB, _, _ := strings.Cut(b, ":")
		return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(fileA, fileB))
	})
	from := ""
	for _, line := range all {
		file, setting, _ := strings.Cut(line, ":")
		if path.Dir(file) == cloudDir && path.Ext(file) != ".cfg" {
			continue
		}
		_, value, _ := strings.Cut(setting, ":")
		value, _, _ = strings.Cut(value, "#")
		switch strings.ToLower(strings.Trim(value, " \t\r\n\"'")) {
		case "true", "1", "on", "yes", "template":
			from = file
		default: // "localhost" leaves the other lines
			from = ""
		}
	}
	return from
}
