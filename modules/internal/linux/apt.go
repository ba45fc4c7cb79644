package linux

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/script"
)

// dpkgStatus is a package that is on the machine.
type dpkgStatus struct {
	version string
	held    bool
	whole   bool // its installation was not cut off
}

// askDpkg asks for one package in one call; nil where it is not there. The
// status is that of dpkg-query(1): wanted, status, error; the version follows.
func askDpkg(ctx context.Context, h host.Host, name string) (*dpkgStatus, error) {
	res, err := h.Do(ctx, host.Query{
		Argv: []string{"dpkg-query", "-W", "-f", "${db:Status-Abbrev}|${Version}\n", "--", name}, AnyExit: true,
	})
	if err != nil {
		return nil, err
	}
	out := res[0].Output
	switch out.Code {
	case 0, 1:
		return parseStatus(string(out.Stdout)), nil
	case 126, 127:
		return nil, errors.New("the machine has no dpkg; packages are managed with apt only so far")
	}
	return nil, &host.ExitError{Argv: []string{"dpkg-query"}, Output: out}
}

// parseStatus reads the first line of a package that is there, whole or not;
// nil where there is none.
func parseStatus(text string) *dpkgStatus {
	for line := range strings.Lines(text) {
		status, version, _ := strings.Cut(strings.TrimSpace(line), "|")
		if len(status) < 2 || strings.ContainsRune("nc", rune(status[1])) {
			continue
		}
		return &dpkgStatus{
			version: version,
			held:    status[0] == 'h',
			whole:   status[1] == 'i' && len(strings.TrimSpace(status)) == 2,
		}
	}
	return nil
}

// apt runs script.Apt: it brings packages to their states, in one transaction.
func apt(ctx context.Context, h host.Host, packages ...Package) error {
	argv := []string{"/bin/sh", "-c", script.Apt, "kplan"}
	var what []string
	for _, p := range packages {
		action := either(p.State == absent, "remove", "install")
		argv = append(argv, action, p.Name, or("", p.Version), either(is(p.Hold), "hold", "unhold"))
		what = append(what, action+" "+p.Name)
	}
	_, err := h.Do(ctx, host.Run{Argv: argv, Detached: true})
	return ofApt(err, "cannot "+strings.Join(what, ", "))
}

// fetchLists runs script.AptLists for a source that will be called name and is
// signed with key, or with one that is trusted for all where key is "".
func fetchLists(ctx context.Context, h host.Host, name string, source debSource, key string) error {
	_, err := h.Do(ctx, host.Run{
		Argv:  []string{"/bin/sh", "-c", script.AptLists, "kplan", name},
		Stdin: []byte(source.String()), Env: []string{"KPLAN_KEY=" + key},
		Detached: true,
	})
	return ofApt(err, "cannot fetch the package lists of "+source.uri)
}

// ofApt is the error of a script in words; it names apt-get, whose message it
// carries.
func ofApt(err error, what string) error {
	if err == nil {
		return nil
	}
	if exit, ok := errors.AsType[*host.ExitError](err); ok {
		err = &host.ExitError{Argv: []string{"apt-get"}, Output: exit.Output}
	}
	return fmt.Errorf("%s: %w", what, err)
}
