package kubeadm

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/script"
)

// This file is how a snapshot of etcd is taken.

// snapshotScript takes snapshots, and restores them: script.EtcdFile.
const snapshotScript = "#!/bin/sh\n# Written by kplan.\n" + script.Etcd

// snapshot writes the script, and takes one by it.
func snapshot(ctx context.Context, h host.Host, dir string, keep int, name string) error {
	_, err := h.Do(ctx,
		host.Run{Argv: []string{"mkdir", "-p", path.Dir(script.EtcdFile)}},
		host.WriteFile{Path: script.EtcdFile, Content: []byte(snapshotScript), Mode: 0o755},
	)
	if err != nil {
		return err
	}
	_, err = h.Do(ctx, host.Run{Argv: []string{script.EtcdFile, "save", dir, strconv.Itoa(keep), name}, Detached: true})
	if exit, ok := errors.AsType[*host.ExitError](err); ok {
		err = &host.ExitError{Argv: []string{path.Base(script.EtcdFile)}, Output: exit.Output}
	}
	if err != nil {
		return fmt.Errorf("cannot take a snapshot of etcd: %w", err)
	}
	return nil
}

// snapshotNow takes a snapshot of etcd on the machine of a control plane, and
// ends once it is verified: what a step that may harm etcd does first. It is a
// file of its own kind, before-TIME.db, of which five are kept. The command that
// restores it is there too.
func snapshotNow(ctx context.Context, plane host.Host) error {
	return snapshot(ctx, plane, "/var/backups/etcd", 5, "before")
}
