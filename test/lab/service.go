package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Start runs a program on the lab's network, as the machines' neighbour at 10.0.2.1, until the lab goes down. It is known by a
// name that no machine has; one that runs under it already is ended first, see [Lab.Stop]. What the program says is in NAME.log in the
// cache. Start returns once ready says so, and fails when the program ends before.
func (l *Lab) Start(ctx context.Context, name string, ready func() bool, command ...string) error {
	if !l.Running() {
		return errors.New("the lab is down; bring it up first")
	}
	if err := l.Stop(ctx, name); err != nil {
		return err
	}
	cgroups, err := makeCgroups(name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(l.services(), 0o755); err != nil {
		return err
	}
	list := filepath.Join(l.services(), name)
	if err := os.WriteFile(list, []byte(strings.Join(cgroups, "\n")+"\n"), 0o644); err != nil {
		return err
	}
	script, err := files.ReadFile("service.sh")
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(l.dir, name+".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	// It outlives this process, whose session and terminal it therefore leaves.
	cmd := exec.Command("sh", append([]string{"-c", string(script), "sh", list}, command...)...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return poll(ctx, name+" to be ready", func() (bool, error) {
		select {
		case err := <-ended:
			return false, fmt.Errorf("it ended (%v): %s", err, tail(log.Name(), 5))
		default:
			return ready(), nil
		}
	})
}

// services is the directory with a file for each program that runs, which lists its cgroups.
func (l *Lab) services() string { return filepath.Join(l.dir, "services") }

// Stop ends the program that [Lab.Start] has started under a name, if there is one, and all that it has started.
func (l *Lab) Stop(ctx context.Context, name string) error {
	list := filepath.Join(l.services(), name)
	data, err := os.ReadFile(list)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := clearCgroups(ctx, strings.Fields(string(data))); err != nil {
		return fmt.Errorf("stopping %s: %w", name, err)
	}
	return os.Remove(list)
}

func (l *Lab) stopServices(ctx context.Context) error {
	entries, err := os.ReadDir(l.services())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if err := l.Stop(ctx, e.Name()); err != nil {
			return err
		}
	}
	return os.RemoveAll(l.services())
}
