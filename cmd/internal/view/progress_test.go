package view

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/plans"
)

// aRun is the events of a run in which all that can happen does.
func aRun() []event.Event {
	instance := func(name, host string) addr.Instance {
		return addr.Instance{Resource: addr.Resource{Type: "file", Name: name}, Host: host}
	}
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	second := time.Second
	var out []event.Event
	for i, d := range []event.Data{
		event.HostConnecting{Host: "web1", Endpoint: "root@10.0.0.1:22", Attempt: 1},
		event.HostConnecting{Host: "web2", Endpoint: "root@10.0.0.2:22", Attempt: 2},
		event.HostReady{Host: "web1", Elapsed: second},
		event.HostRead{Host: "web1", Objects: 3, Elapsed: 2 * second},
		event.HostFailed{Host: "web2", Reason: "connection refused\x1b[2J"},
		event.FirstReading{Hosts: 1, Objects: 3},
		event.StepStarted{Step: 1, Addr: instance("a", "web1"), Action: "create"},
		event.StepStarted{Step: 2, Addr: instance("b", "web1"), Action: "refresh"},
		event.StepRunning{Step: 1, Addr: instance("a", "web1"), Elapsed: 30 * second},
		event.StepEnded{Step: 1, Addr: instance("a", "web1"), Action: "create", Outcome: event.Done, Elapsed: 31 * second, Adjusted: "it was there already, since file.b"},
		event.StepEnded{
			Step: 2, Addr: instance("b", "web1"), Action: "refresh", Outcome: event.Failed, Elapsed: second,
			Reason: "systemctl ended with exit status 1", Output: "::error::no\nline two\n",
		},
		event.StepEnded{Step: 3, Addr: instance("c", "web1"), Action: "create", Outcome: event.Skipped, Reason: "it needs file.b@web1, which failed"},
		event.StepEnded{Step: 4, Addr: instance("d", "web1"), Action: "delete", Outcome: event.Already},
		event.StepEnded{Step: 5, Addr: instance("e", "web2"), Action: "update", Outcome: event.Withheld, Reason: "web2 is unreachable"},
		event.StepEnded{Step: 6, Addr: instance("f", "web1"), Action: "update", Outcome: event.Stopped},
		event.Notice{Host: "web1", Text: "a sentence"},
		event.RunEnded{Run: "r", Elapsed: 61 * second},
	} {
		out = append(out, event.Event{Seq: int64(i + 1), Time: start.Add(time.Duration(i) * second), Data: d})
	}
	return out
}

func TestLines(t *testing.T) {
	for _, level := range []string{LogDebug, LogInfo, LogWarn, LogError} {
		var out bytes.Buffer
		l := &lines{out: &out, look: look{unicode: true}, level: level}
		l.Expect(6)
		for i, e := range aRun() {
			if i == 8 {
				l.Stopping()
			}
			l.Event(e)
		}
		l.Close()
		golden(t, "lines-"+level+".txt", out.String())
		harmless(t, out.String(), true)
	}
}

// TestLive checks what stays on the screen: all that ended, once, and nothing
// of what was drawn in between.
func TestLive(t *testing.T) {
	var out bytes.Buffer
	at := time.Date(2026, 1, 2, 3, 5, 0, 0, time.UTC)
	v := newLive(&out, look{unicode: true, width: 60}, func() time.Time { return at })
	v.Expect(6)
	for _, e := range aRun() {
		v.Event(e)
		for line := range strings.SplitSeq(lastFrame(out.String()), "\n") {
			if n := len([]rune(line)); n > 59 && !strings.Contains(line, "[") {
				t.Errorf("a line of %d columns: %q", n, line)
			}
		}
	}
	v.Stopping()
	if got := screen(out.String()); !strings.Contains(got, "6/6 steps ended · 0 running · 4 not fulfilled") {
		t.Errorf("the foot is\n%s", got)
	}
	v.Close()
	v.Close()
	golden(t, "live.txt", screen(out.String()))
}

func lastFrame(s string) string { return s[strings.LastIndex(s, "\x1b[J")+1:] }

// screen is what a terminal shows after s: of its sequences only "up n lines"
// and "erase below" are known, and no other may come.
func screen(s string) string {
	var lines []string
	for s != "" {
		if rest, ok := strings.CutPrefix(s, "\x1b["); ok {
			n := 0
			for rest[0] >= '0' && rest[0] <= '9' {
				n = n*10 + int(rest[0]-'0')
				rest = rest[1:]
			}
			switch rest[0] {
			case 'A':
				lines = lines[:len(lines)-n]
			case 'J':
			default:
				return "unknown sequence " + rest[:1]
			}
			s = strings.TrimPrefix(rest[1:], "\r")
			continue
		}
		line, rest, _ := strings.Cut(s, "\n")
		lines = append(lines, line)
		s = rest
	}
	return strings.Join(lines, "\n") + "\n"
}

func TestStream(t *testing.T) {
	var out bytes.Buffer
	at := time.Date(2026, 1, 2, 3, 5, 0, 0, time.UTC)
	s := newStream(&out, "1.2.3", func() time.Time { return at })
	s.Run("run-1")
	for _, e := range aRun() {
		s.Event(e)
	}
	s.Stopping()
	golden(t, "stream.json", out.String())
	harmless(t, out.String(), true)
}

func TestReport(t *testing.T) {
	p := everything(t)
	var out bytes.Buffer
	v := New(Options{Out: &out, Err: &bytes.Buffer{}})
	tally := &Tally{}
	for _, e := range aRun() {
		tally.Event(e)
	}
	v.Report(tally, p)
	golden(t, "report.txt", out.String())
	harmless(t, out.String(), false)

	out.Reset()
	s := &sheet{TB: t}
	s.hosts("web1")
	s.add(plans.Change{Addr: at(t, "file.a@web1"), Action: plans.Create, After: object("path", "/a")}, plans.Step{})
	done := &Tally{}
	done.Event(event.Event{Data: event.StepEnded{Step: 1, Addr: at(t, "file.a@web1"), Action: "create", Outcome: event.Done}})
	v.Report(done, s.plan())
	if len(found(out.String(), "tfcmt apply")) != 1 || !strings.Contains(out.String(), "Apply complete! Resources: 1 added, 0 changed, 0 destroyed.\n") {
		t.Errorf("got %q", out.String())
	}
}

func TestTrace(t *testing.T) {
	var out bytes.Buffer
	tally := &Tally{}
	for _, e := range aRun() {
		tally.Event(e)
	}
	if err := Trace(&out, tally); err != nil {
		t.Fatal(err)
	}
	golden(t, "trace.json", out.String())
}

func TestRefreshSaysItsWord(t *testing.T) {
	for word, want := range map[string][2]string{
		"":        {"refreshing", "refreshed"},
		"restart": {"restarting", "restarted"},
		"update":  {"updating", "updated"},
	} {
		if d, e := doing("refresh", word), did("refresh", word); d != want[0] || e != want[1] {
			t.Errorf("%q: %s, %s", word, d, e)
		}
	}
	if d := doing("create", "restart"); d != "creating" {
		t.Errorf("create: %s", d)
	}
	var out bytes.Buffer
	l := &lines{out: &out, level: LogInfo}
	a := addr.Instance{Resource: addr.Resource{Type: "service", Name: "web"}, Host: "h"}
	l.Event(event.Event{Data: event.StepStarted{Step: 1, Addr: a, Action: "refresh", Word: "restart"}})
	l.Event(event.Event{Data: event.StepRunning{Step: 1, Addr: a, Elapsed: time.Minute}})
	l.Event(event.Event{Data: event.StepEnded{Step: 1, Addr: a, Action: "refresh", Word: "restart", Outcome: event.Done}})
	if got, want := out.String(), "[h] service.web: restarting...\n[h] service.web: still restarting... [1m00s]\n[h] service.web: restarted\n"; got != want {
		t.Errorf("got:\n%s", got)
	}
}
