// Command lab brings real machines up and down on this host, and lets one use them by hand.
//
// It knows the command line. What it does is package lab's.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/kplan/kplan/test/lab"
	"github.com/kplan/kplan/test/lab/kube"
)

const usage = `usage: lab COMMAND

  up [--machines N] [--kube]
                           bring up N machines (3): makes the image if there is none, installs what is missing with apt-get;
                           with --kube also offer them what Kubernetes is installed from
  payload [--jobs N]       make what Kubernetes is installed from, with N compilers at once (2): tens of minutes, once
  down                     remove the machines and put the host back as it was
  status                   say what is up
  ssh [USER@]HOST [CMD…]   log in as root, or USER (ops, ops2)
  exec -- CMD…             run a command in the lab's network
  power-off HOST           cut the power; the disk stays
  power-on HOST            boot
  reset [HOST…]            pristine disks, for all machines if none is named
  dir | key | known-hosts  print where the cache, the private key, the host keys are

HOST is a name or an address. KPLAN_LAB_DIR is the cache directory, KPLAN_LAB_MIRROR the Debian mirror.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return flag.ErrHelp
	}
	l, err := lab.New(ctx, os.Stderr)
	if err != nil {
		return err
	}
	switch command, args := args[0], args[1:]; command {
	case "dir":
		fmt.Println(l.Dir())
	case "key":
		fmt.Println(l.Key())
	case "known-hosts":
		fmt.Println(l.KnownHosts())
	case "status":
		status(l)
	case "ssh":
		return ssh(l, args)
	case "exec":
		if len(args) > 0 && args[0] == "--" {
			args = args[1:]
		}
		if len(args) == 0 {
			return flag.ErrHelp
		}
		return become(l, args)
	case "payload":
		return payload(ctx, l, args)
	case "up", "down", "power-on", "power-off", "reset":
		return change(ctx, l, command, args)
	default:
		return flag.ErrHelp
	}
	return nil
}

// payload takes no lock of the lab while it builds: others can use the machines for that long.
func payload(ctx context.Context, l *lab.Lab, args []string) error {
	flags := flag.NewFlagSet("payload", flag.ContinueOnError)
	flags.Usage = func() {}
	jobs := flags.Int("jobs", 2, "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 || *jobs < 1 {
		return flag.ErrHelp
	}
	p, err := kube.New(ctx, l, os.Stderr)
	if err != nil {
		return err
	}
	return p.Make(ctx, *jobs)
}

// up brings the lab up and, with a payload, offers that to the machines.
func up(ctx context.Context, l *lab.Lab, machines int, withKube bool) error {
	if err := l.Up(ctx, machines, true); err != nil {
		return err
	}
	if withKube {
		p, err := kube.New(ctx, l, os.Stderr)
		if err != nil {
			return err
		}
		if err := p.Serve(ctx); err != nil {
			return err
		}
	}
	status(l)
	return nil
}

// change does what needs the lock.
func change(ctx context.Context, l *lab.Lab, command string, args []string) error {
	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	flags.Usage = func() {}
	n, withKube := lab.DefaultMachines, false
	if command == "up" {
		flags.IntVar(&n, "machines", n, "")
		flags.BoolVar(&withKube, "kube", withKube, "")
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	unlock, err := l.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := l.Refresh(); err != nil {
		return err
	}
	var ms []*lab.Machine
	for _, name := range flags.Args() {
		m, err := l.Machine(name)
		if err != nil {
			return err
		}
		ms = append(ms, m)
	}
	switch {
	case command == "up" && len(ms) == 0:
		return up(ctx, l, n, withKube)
	case command == "down" && len(ms) == 0:
		return l.Down(ctx)
	case command == "reset":
		return l.ResetMachines(ctx, ms...)
	case command == "power-on" && len(ms) == 1:
		return ms[0].PowerOn(ctx)
	case command == "power-off" && len(ms) == 1:
		return ms[0].PowerOff(ctx)
	}
	return flag.ErrHelp
}

func status(l *lab.Lab) {
	if !l.Running() {
		fmt.Println("down")
	}
	for _, m := range l.Machines() {
		power := "off"
		if m.On() {
			power = "on"
		}
		fmt.Printf("%-12s %-12s %s\n", m.Name, m.Address, power)
	}
}

func ssh(l *lab.Lab, args []string) error {
	if len(args) == 0 {
		return flag.ErrHelp
	}
	user, host, ok := strings.Cut(args[0], "@")
	if !ok {
		user, host = "root", args[0]
	}
	m, err := l.Machine(host)
	if err != nil {
		return err
	}
	return become(l, append([]string{
		"ssh", "-F", "none", "-i", l.Key(), "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=yes",
		"-o", "UserKnownHostsFile=" + l.KnownHosts(), "-o", "ConnectTimeout=10", user + "@" + m.Address,
	}, args[1:]...))
}

// become turns this process into a command in the lab's network.
func become(l *lab.Lab, args []string) error {
	args, err := l.InNetwork(args...)
	if err != nil {
		return err
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	return syscall.Exec(path, args, os.Environ())
}
