package host_test

import (
	"errors"
	"testing"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
)

func TestMemoryAnswersUpToTheFirstAct(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	m.Put("/etc/motd", "old\n")
	var memory host.Memory
	if _, err := host.Read(t.Context(), memory.Listen(m.Reader()), "/etc/motd"); err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	m.Arrange(hosttest.Fault{Op: 1, Err: boom})
	if _, err := host.Read(t.Context(), memory.Listen(m.Reader()), "/etc/issue"); !errors.Is(err, boom) {
		t.Fatalf("error: %v", err)
	}
	read := func(h host.Host, path string) string {
		t.Helper()
		f, err := host.Read(t.Context(), h, path)
		if err != nil {
			t.Fatal(err)
		}
		if f[0] == nil {
			return ""
		}
		return string(f[0].Content)
	}
	m.Put("/etc/motd", "new\n")
	m.Put("/etc/issue", "issue\n")
	h, calls := memory.Recall(m.Host()), m.Calls()
	if got := read(h, "/etc/motd"); got != "old\n" || m.Calls() != calls {
		t.Errorf("what was read a moment before is %q now, by %d calls", got, m.Calls()-calls)
	}
	if got := read(h, "/etc/issue"); got != "issue\n" {
		t.Errorf("what could not be read before is %q", got)
	}
	if _, err := h.Do(t.Context(), host.Remove{Path: "/etc/issue"}); err != nil {
		t.Fatal(err)
	}
	if got := read(h, "/etc/motd"); got != "new\n" {
		t.Errorf("after an act, what stands there is %q", got)
	}
	if got := read(memory.Recall(m.Host()), "/etc/motd"); got != "old\n" {
		t.Errorf("the memory itself has changed: %q", got)
	}
}
