package linux_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/modules/resource"
)

func TestFileNamesWhatStandsInItsPlace(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	typ := typeOf(t, "file")
	_, err := typ.Read(t.Context(), m.Reader(), object(t, typ, values{"path": "/etc", "content": "x"}))
	if err == nil || err.Error() != "cannot manage the file /etc: a directory stands there" {
		t.Errorf("error %v", err)
	}
}

func TestFileWithoutItsDirectory(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	typ := typeOf(t, "file")
	err := typ.Apply(t.Context(), m.Host(), object(t, typ, values{"path": "/opt/none/x", "content": "x"}), cty.NullVal(typ.Schema.Object()))
	var op *host.OpError
	if !errors.As(err, &op) || op.Path != "/opt/none/x" {
		t.Errorf("error %v", err)
	}
}

func TestFileKeepsWhatIsNotManaged(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	m.PutAs("/etc/x", "old", 0o600, 1000, 4242)
	apply(t, m, "file", values{"path": "/etc/x", "content": "new"})
	if f := m.File("/etc/x"); string(f.Content) != "new" || f.Mode != 0o600 || f.Owner != "vagrant" || f.Group != "4242" {
		t.Errorf("%+v", f)
	}
	typ := typeOf(t, "file")
	got, err := typ.Read(t.Context(), m.Reader(), object(t, typ, values{"path": "/etc/x", "mode": "0600"}))
	if err != nil || !got.GetAttr("content").IsNull() {
		t.Errorf("content that is not managed was read: %#v, error %v", got, err)
	}
}

func TestDirectoryKeepsWhatStays(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	for _, name := range []string{"a", "b", "c", "d"} {
		m.Put("/opt/d/"+name, "")
	}
	typ := typeOf(t, "directory")
	got, err := typ.Read(t.Context(), m.Reader(), object(t, typ, values{"path": "/opt/d"}))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		gone    []string
		claimed string
		want    string
	}{
		{nil, "", "a, b and 2 more stay in it"},
		{[]string{"/opt/d/a", "/opt/d/b"}, "", "c and d stay in it"},
		{[]string{"/opt/d/a", "/opt/d/b", "/opt/d/d"}, "", "c stays in it"},
		{[]string{"/opt/d/a", "/opt/d/b", "/opt/d/c", "/opt/d/d"}, "", ""},
		{[]string{"/opt/d/a", "/opt/d/b", "/opt/d/c", "/opt/d/d"}, "path /opt/d/new", "new stays in it"},
	} {
		outlook := resource.Outlook{
			Deleted: func(claim string) bool {
				return slices.ContainsFunc(c.gone, func(p string) bool { return claim == "path "+p })
			},
			Claimed: func(prefix string) string {
				if strings.HasPrefix(c.claimed, prefix) {
					return c.claimed
				}
				return ""
			},
		}
		if why := typ.Keeps(got, outlook); why != c.want {
			t.Errorf("without %v: %q", c.gone, why)
		}
	}
}

func TestSymlinkLosesNothing(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	m.Put("/opt/file", "kept")
	m.Put("/opt/dir/file", "kept")
	m.PutLink("/opt/link", "/opt/dir")
	typ := typeOf(t, "symlink")
	for p, says := range map[string]string{
		"/opt/file": "cannot manage the link /opt/file: a file stands there",
		"/opt/dir":  "cannot manage the link /opt/dir: a directory stands there",
	} {
		want := object(t, typ, values{"path": p, "target": "/etc"})
		if _, err := typ.Read(t.Context(), m.Reader(), want); err == nil || err.Error() != says {
			t.Errorf("reading %s: error %v", p, err)
		}
		// What came to the path after it was read as missing stays, too.
		err := typ.Apply(t.Context(), m.Host(), want, cty.NullVal(typ.Schema.Object()))
		if err == nil || !strings.Contains(err.Error(), "File exists") {
			t.Errorf("linking over %s: error %v", p, err)
		}
	}
	want := object(t, typ, values{"path": "/opt/link", "target": "/opt/dir"})
	if err := typ.Delete(t.Context(), m.Host(), want); err != nil {
		t.Fatal(err)
	}
	if m.File("/opt/link") != nil || m.Content("/opt/file") != "kept" || m.Content("/opt/dir/file") != "kept" {
		t.Error("the link stays, or something else is gone")
	}
}

func TestLineKeepsTheRest(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	m.PutAs("/etc/x", "a=1\nb=2\n", 0o600, 1000, 4242)
	apply(t, m, "line", values{"path": "/etc/x", "match": "^a=", "line": "a=3"})
	if f := m.File("/etc/x"); string(f.Content) != "a=3\nb=2\n" || f.Mode != 0o600 || f.Owner != "vagrant" || f.Group != "4242" {
		t.Errorf("%+v", f)
	}
}

func TestLineMakesNoFile(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	typ := typeOf(t, "line")
	want := object(t, typ, values{"path": "/etc/none", "match": "^a=", "line": "a=3"})
	got, err := typ.Read(t.Context(), m.Reader(), want)
	if err != nil || !got.IsNull() {
		t.Errorf("a line of no file is %#v, error %v", got, err)
	}
	err = typ.Apply(t.Context(), m.Host(), want, got)
	if err == nil || !strings.Contains(err.Error(), "cannot manage a line of /etc/none: there is no such file") || m.File("/etc/none") != nil {
		t.Errorf("error %v, file %v", err, m.File("/etc/none"))
	}
	m.Put("/etc/big", strings.Repeat("a\n", 9<<20))
	m.PutLink("/etc/link", "big")
	for p, says := range map[string]string{
		"/etc/big":  "it is larger than 16 MiB",
		"/etc/link": "a symbolic link to big stands there",
		"/etc":      "a directory stands there",
	} {
		_, err := typ.Read(t.Context(), m.Reader(), object(t, typ, values{"path": p, "match": "^a", "line": "a"}))
		if err == nil || !strings.HasSuffix(err.Error(), says) {
			t.Errorf("%s: error %v", p, err)
		}
	}
}
