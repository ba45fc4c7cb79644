package conn

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kplan/kplan/modules/host"
)

// Contact implements host.Session. The first call costs no round trip: the
// shell sends it with its ready line.
func (s *Session) Contact(ctx context.Context) (*host.Contact, error) {
	if c := s.contact; c != nil {
		s.contact = nil
		return c, ctx.Err()
	}
	f := newFrame()
	f.op(false, "contact\n")
	asked := time.Now()
	answers, err := s.exchange(ctx, f)
	if err != nil {
		return nil, err
	}
	return contact(answers[0].out.data, asked, time.Now())
}

// contact reads what the function contact of shell.sh wrote. Whatever the
// machine says about itself is data: what cannot be understood is left empty,
// save who it is and what kplan itself wrote there. It was asked for and came
// at these times.
func contact(b []byte, asked, came time.Time) (*host.Contact, error) {
	c := &host.Contact{UID: -1}
	words := strings.Split(string(b), "\x00")
	for i := 0; i+1 < len(words); i += 2 {
		if words[i] == "time" {
			c.Ahead = ahead(words[i+1], asked, came)
			continue
		}
		if err := fact(c, words[i], words[i+1]); err != nil {
			return nil, err
		}
	}
	if c.UID < 0 {
		return nil, errors.New("the machine did not say as whom it acts; id(1) is missing")
	}
	c.Facts.MachineID = c.MachineID
	c.Acts = slices.DeleteFunc(c.Acts, func(a host.Act) bool { return a.ID.Run == "" })
	slices.Sort(c.Facts.Interfaces)
	slices.SortFunc(c.Acts, func(a, b host.Act) int {
		return cmp.Or(strings.Compare(a.ID.Run, b.ID.Run), cmp.Compare(a.ID.Step, b.ID.Step), cmp.Compare(a.ID.N, b.ID.N))
	})
	return c, nil
}

func fact(c *host.Contact, name, value string) error {
	value = strings.ToValidUTF8(value, "\uFFFD")
	switch name {
	case "uid":
		if uid, err := strconv.Atoi(value); err == nil {
			c.UID = uid
		}
	case "machine_id":
		c.MachineID = value
	case "boot_id":
		c.BootID = value
	case "hostname":
		c.Facts.Hostname = value
	case "kernel":
		c.Facts.Kernel = value
	case "arch":
		c.Facts.Arch = value
	case "cpus":
		c.Facts.CPUs = number(value)
	case "memory": // "MemTotal:  16316412 kB", proc_meminfo(5)
		if f := strings.Fields(value); len(f) == 3 {
			c.Facts.MemoryMiB = number(f[1]) / 1024
		}
	case "os":
		c.Facts.OS, c.Facts.OSVersion = osRelease(value)
	case "interfaces":
		c.Facts.Interfaces = interfaces(value)
	case "service_manager":
		c.Facts.ServiceManager = value
	case "package_manager":
		c.Facts.PackageManager = value
	case "cgroup":
		c.Facts.CgroupVersion = max(c.Facts.CgroupVersion, number(value))
	case "fence":
		return record(value, &c.Fence)
	case "receipt":
		return record(value, &c.Receipt)
	default:
		act(c, name, value)
	}
	return nil
}

// ahead is how far a clock that showed so many whole seconds (date +%s) is ahead
// of the one here, at least.
func ahead(seconds string, asked, came time.Time) time.Duration {
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return 0
	}
	earliest := time.Unix(n, 0)
	latest := earliest.Add(time.Second)
	switch {
	case earliest.After(came):
		return earliest.Sub(came)
	case latest.Before(asked):
		return latest.Sub(asked)
	}
	return 0
}

// act takes what is told of acts: the name first, then what is known of it.
func act(c *host.Contact, name, value string) {
	if name == "act" {
		id, _ := parseAct(value) // what is no act's directory is dropped at the end
		c.Acts = append(c.Acts, host.Act{ID: id, State: host.ActInterrupted})
		return
	}
	if len(c.Acts) == 0 {
		return
	}
	a := &c.Acts[len(c.Acts)-1]
	switch name {
	case "act_boot":
		a.BootID = value
	case "act_running":
		a.State = host.ActRunning
	case "act_rc":
		if code, err := strconv.Atoi(value); err == nil {
			a.State, a.Code = host.ActDone, code
		}
	}
}

// record reads a line that an earlier run wrote. One that is damaged is an
// error: nothing can be said about who acted there.
func record[T any](line string, to **T) error {
	v := new(T)
	if err := json.Unmarshal([]byte(line), v); err != nil {
		return fmt.Errorf("kplan's record on the machine is damaged (%T): %w", *v, err)
	}
	*to = v
	return nil
}

// number is a count that the machine told: 0 where it is none.
func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// osRelease reads ID and VERSION_ID of os-release(5).
func osRelease(text string) (id, version string) {
	lines := bufio.NewScanner(bytes.NewReader([]byte(text)))
	for lines.Scan() {
		name, value, _ := strings.Cut(strings.TrimSpace(lines.Text()), "=")
		if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
			value = value[1 : n-1]
		}
		switch name {
		case "ID":
			id = value
		case "VERSION_ID":
			version = value
		}
	}
	return id, version
}

// interfaces reads the lines of "ip -o addr show", ip-address(8): number, name,
// family, address. The loopback and link-local addresses are left out: they
// are the same everywhere, or say nothing.
func interfaces(text string) []string {
	var list []string
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 4 || f[1] == "lo" || f[2] != "inet" && f[2] != "inet6" {
			continue
		}
		if i := slices.Index(f, "scope"); i > 0 && i+1 < len(f) && f[i+1] != "global" {
			continue
		}
		list = append(list, f[1]+" "+f[3])
	}
	return list
}
