package linux

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
)

var swap = resource.Define[Swap]("swap", resource.Merges)

// Swap turns all swap of the machine off, or on again: what is in use, what
// /etc/fstab names, and the units that bring swap at boot (zram, partitions
// that systemd finds itself).
//
// Off, the swap lines of /etc/fstab become comments that begin with
// "# kplan swap:", and the units are masked; on undoes both. Swap is off when
// nothing of it is left, and on otherwise. Removing the block forgets it.
//
//	resource "swap" "off" {
//	  on      = hosts
//	  enabled = false
//	}
type Swap struct {
	Enabled bool `cty:"enabled" kplan:"required"` // false turns all swap off, now and at boot
}

const swapsFile = "/proc/swaps"

// Claims implements resource.Claimer.
func (s Swap) Claims() []string { return []string{"swap"} }

// Disrupts implements resource.Disrupter.
func (s Swap) Disrupts(prior *Swap) []string {
	if !s.Enabled && prior != nil && prior.Enabled {
		return []string{"turns swap off"}
	}
	return nil
}

// Read makes one call.
func (s Swap) Read(ctx context.Context, h host.Host) (*Swap, error) {
	found, err := findSwap(ctx, h)
	if err != nil {
		return nil, err
	}
	fstab := slices.ContainsFunc(found.fstab, func(l string) bool { return swapLine(l) && !strings.HasPrefix(l, swapMark) })
	return &Swap{Enabled: found.live || fstab || len(found.units) > 0}, nil
}

// Apply makes two calls, the first of them as Read: what it changes depends on
// what there is.
func (s Swap) Apply(ctx context.Context, h host.Host, _ *Swap) error {
	found, err := findSwap(ctx, h)
	if err != nil {
		return err
	}
	var ops []host.Op
	if fstab := switchFstab(found.fstab, s.Enabled); found.file != nil && !slices.Equal(fstab, found.fstab) {
		ops = append(ops, host.WriteFile{
			Path: fstabFile, Content: []byte(strings.Join(fstab, "")),
			Mode: found.file.Mode, Owner: found.file.Owner, Group: found.file.Group,
		})
	}
	switch {
	case s.Enabled && len(ops) == 0 && len(found.masked) == 0:
		return errors.New("there is no swap to turn on; write a line for it into /etc/fstab first")
	case s.Enabled:
		for _, unit := range found.masked {
			ops = append(ops, systemctl("unmask", "--", unit))
		}
		ops = append(ops, host.Run{Argv: []string{"swapon", "-a"}})
	default:
		ops = append(ops, host.Run{Argv: []string{"swapoff", "-a"}})
		for _, unit := range found.units {
			ops = append(ops, systemctl("mask", "--now", "--", unit))
		}
	}
	if found.systemd {
		ops = append(ops, systemctl("daemon-reload"))
	}
	_, err = h.Do(ctx, ops...)
	return err
}

// swapFound is all that brings swap to a machine.
type swapFound struct {
	live    bool
	file    *host.File // /etc/fstab
	fstab   []string   // its lines with their ends
	units   []string   // that bring swap at boot, beside those of fstab
	masked  []string
	systemd bool
}

func findSwap(ctx context.Context, h host.Host) (swapFound, error) {
	res, err := h.Do(
		ctx,
		host.ReadFile{Path: swapsFile},
		host.ReadFile{Path: fstabFile},
		host.Query{Argv: []string{
			"systemctl", "show", "--property=Id,LoadState,UnitFileState,FragmentPath,SourcePath", "--", "*.swap", "zramswap.service",
		}, AnyExit: true},
	)
	if err != nil {
		return swapFound{}, err
	}
	var found swapFound
	if f := res[0].File; f != nil { // a kernel without swap has no such file
		found.live = strings.Count(strings.TrimSpace(string(f.Content)), "\n") > 0
	}
	if f := res[1].File; f != nil {
		found.file, found.fstab = f, slices.Collect(strings.Lines(string(f.Content)))
	}
	if found.systemd = res[2].Output.Code == 0; !found.systemd {
		return found, nil
	}
	for unit := range strings.SplitSeq(string(res[2].Output.Stdout), "\n\n") {
		p := properties(unit)
		switch {
		case p["Id"] == "":
		case p["LoadState"] == "masked":
			found.masked = append(found.masked, p["Id"])
		case p["LoadState"] != "loaded" || p["FragmentPath"] == "" || p["SourcePath"] == fstabFile:
			// Not there, made of what is in use, or made of fstab: gone with those.
		case strings.HasSuffix(p["Id"], ".service") && p["UnitFileState"] != "enabled":
		default:
			found.units = append(found.units, p["Id"])
		}
	}
	return found, nil
}
