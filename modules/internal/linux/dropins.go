package linux

import (
	"context"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/kplan/kplan/modules/host"
)

// dropIns are the drop-ins of a unit in /etc/systemd/system/NAME.d: their texts
// by file name. Those that kplan writes begin with writtenBy.
type dropIns map[string]string

func (d dropIns) names() []string { return slices.Sorted(maps.Keys(d)) }

// reads are the operations that readDropIns takes the results of.
func (d dropIns) reads(dir string) []host.Op {
	ops := []host.Op{host.ReadFile{Path: dir, List: true}}
	for _, name := range d.names() {
		ops = append(ops, host.ReadFile{Path: path.Join(dir, name)})
	}
	return ops
}

// found are those of d that are there, and any others that kplan wrote, which
// it makes one call to see. res are the results of reads.
func (d dropIns) found(ctx context.Context, h host.Host, dir string, res []host.Result) (dropIns, error) {
	found := dropIns{}
	for i, name := range d.names() {
		if f := res[1+i].File; f != nil {
			found[name] = strings.TrimPrefix(string(f.Content), writtenBy)
		}
	}
	var others, paths []string
	if res[0].File != nil {
		for _, name := range res[0].File.Entries {
			if _, wanted := d[name]; !wanted && dropInName.MatchString(name) {
				others, paths = append(others, name), append(paths, path.Join(dir, name))
			}
		}
	}
	if len(others) == 0 {
		return found, nil
	}
	files, err := host.Read(ctx, h, paths...)
	if err != nil {
		return nil, err
	}
	for i, f := range files {
		if f == nil {
			continue
		}
		if text, ours := strings.CutPrefix(string(f.Content), writtenBy); ours {
			found[others[i]] = text
		}
	}
	return found, nil
}

// write makes d of prior in dir.
func (d dropIns) write(dir string, prior dropIns) []host.Op {
	var ops []host.Op
	for _, name := range d.names() {
		ops = append(ops, keepFile(path.Join(dir, name), writtenBy+d[name])...)
	}
	dropped := maps.Clone(prior)
	maps.DeleteFunc(dropped, func(name, _ string) bool { _, wanted := d[name]; return wanted })
	return append(ops, dropped.remove(dir)...)
}

// remove takes d away, and dir where nothing else is in it.
func (d dropIns) remove(dir string) []host.Op {
	var ops []host.Op
	for _, name := range d.names() {
		ops = append(ops, host.Remove{Path: path.Join(dir, name)})
	}
	if len(ops) > 0 {
		ops = append(ops, host.Run{Argv: []string{"rmdir", "--ignore-fail-on-non-empty", "--", dir}, AnyExit: true})
	}
	return ops
}
