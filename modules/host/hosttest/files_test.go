package hosttest_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
)

func TestFiles(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	h := m.Host()
	m.PutLink("/opt/link", "../etc")
	do := func(ops ...host.Op) error {
		_, err := h.Do(t.Context(), ops...)
		return err
	}
	for _, c := range []struct {
		op   host.Op
		want string
	}{
		{host.WriteFile{Path: "/opt/link/x", Content: []byte("a"), Mode: 0o755 | fs.ModeSetuid, Owner: "vagrant", Group: "4242"}, ""},
		{host.WriteFile{Path: "/none/x"}, "cannot write /none/x: No such file or directory"},
		{host.WriteFile{Path: "/etc/passwd/x"}, "cannot write /etc/passwd/x: Not a directory"},
		{host.WriteFile{Path: "/etc"}, "cannot write /etc: Is a directory"},
		{host.WriteFile{Path: "/etc/y", Owner: "nobody2"}, "cannot write /etc/y: invalid user: 'nobody2'"},
		{host.WriteFile{Path: "/proc/sys/vm/swappiness"}, "cannot write /proc/sys/vm/swappiness: Operation not permitted"},
		{host.MakeDir{Path: "/opt/a/b"}, "cannot make directory /opt/a/b: No such file or directory"},
		{host.MakeDir{Path: "/etc/passwd"}, "cannot make directory /etc/passwd: File exists"},
		{host.MakeDir{Path: "/opt/link"}, "cannot make directory /opt/link: File exists"},
		{host.MakeDir{Path: "/opt/a", Mode: 0o700}, ""},
		{host.Remove{Path: "/opt/none"}, ""},
		{host.Remove{Path: "/etc"}, "cannot remove /etc: Directory not empty"},
		{host.Remove{Path: "/opt/link"}, ""},
		{host.ReadFile{Path: "etc"}, `hosttest: the path "etc" is not absolute`},
	} {
		got := ""
		if err := do(c.op); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%#v: %q, wanted %q", c.op, got, c.want)
		}
	}
	files, err := host.Read(t.Context(), m.Reader(), "/etc/x", "/etc/none", "/opt")
	if err != nil || files[1] != nil || files[2].Kind != host.KindDir || files[2].Entries != nil {
		t.Fatalf("%+v, error %v", files, err)
	}
	if f := files[0]; string(f.Content) != "a" || f.Mode != 0o755|fs.ModeSetuid || f.Owner != "vagrant" || f.Group != "4242" || f.Size != 1 {
		t.Errorf("%+v", f)
	}
}

func TestDoStopsAtTheFirstFailure(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	res, err := m.Host().Do(t.Context(), host.ReadFile{Path: "/etc/passwd"}, host.Run{Argv: []string{"false"}}, host.WriteFile{Path: "/etc/x"})
	var exit *host.ExitError
	if !errors.As(err, &exit) || len(res) != 1 || m.File("/etc/x") != nil {
		t.Errorf("%d results, error %v", len(res), err)
	}
}

func TestLargeFile(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	m.Put("/big", strings.Repeat("x", 100))
	res, err := m.Reader().Do(t.Context(), host.ReadFile{Path: "/big", Limit: 99}, host.ReadFile{Path: "/big", Limit: 100}, host.ReadFile{Path: "/opt", List: true})
	if err != nil {
		t.Fatal(err)
	}
	if f := res[0].File; f.Content != nil || f.Size != 100 || len(f.SHA256) != 64 {
		t.Errorf("%+v", f)
	}
	if f := res[1].File; len(f.Content) != 100 || f.SHA256 != "" {
		t.Errorf("%+v", f)
	}
}

func TestReaderRefusesActs(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	for _, op := range []host.Op{host.WriteFile{Path: "/x"}, host.MakeDir{Path: "/x"}, host.Remove{Path: "/x"}, host.Run{Argv: []string{"true"}}} {
		if _, err := m.Reader().Do(t.Context(), host.ReadFile{Path: "/etc"}, op); !errors.Is(err, host.ErrReadOnly) {
			t.Errorf("%#v: error %v", op, err)
		}
	}
	if len(m.Acts()) > 0 {
		t.Errorf("acts %v", m.Acts())
	}
}
