package laws

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kplan/kplan/modules/host"
)

const counter = "/var/lib/law-count"

// slow is a detached act that counts itself at its beginning and then takes its
// time.
func slow(takes time.Duration) host.Run {
	script := fmt.Sprintf("echo begun >> %s; sleep %d; echo over; echo and out >&2", counter, int(takes.Seconds()))
	return host.Run{Argv: []string{"/bin/sh", "-c", script}, Detached: true}
}

// actTakes is how long the act takes that something happens to.
func actTakes() time.Duration {
	if long {
		return 30 * time.Second
	}
	return 10 * time.Second
}

// started begins a detached act and returns once it runs; the channel gives the
// error it ends with in this session.
func (s *site) started(t *testing.T, session host.Session, id host.ActID, epoch int64, takes time.Duration) <-chan error {
	t.Helper()
	end := make(chan error, 1)
	go func() {
		_, err := act(t.Context(), session, id, epoch, slow(takes))
		end <- err
	}()
	s.until(t, "test -e "+counter)
	return end
}

// once fails where the counted act ran more than once.
func (s *site) once(t *testing.T) {
	t.Helper()
	if got := s.on(t, "cat "+counter); got != "begun\n" {
		t.Errorf("the act ran %d times", strings.Count(got, "\n"))
	}
}

// found does the act again in a new session and wants the output of the first.
func found(t *testing.T, session host.Session, id host.ActID, takes time.Duration) {
	t.Helper()
	res, err := act(t.Context(), session, id, fence.Epoch, slow(takes))
	if err != nil {
		t.Fatalf("done again under its id: %v", err)
	}
	if out := res[0].Output; string(out.Stdout) != "over\n" || string(out.Stderr) != "and out\n" || out.Code != 0 {
		t.Errorf("its output is %q, %q and %d", out.Stdout, out.Stderr, out.Code)
	}
}

// TestCutConnection cuts the connection under an act, by a closed, a reset and
// a silent connection. The act goes on, and is not begun again.
func TestCutConnection(t *testing.T) {
	s := measured(t)
	for i, c := range []struct {
		name string
		as   login
		cut  func()
	}{
		{"closed", root, s.proxy.Cut},
		{"reset, under sudo", ops, s.proxy.RST},
		{"silent", root, func() { s.proxy.BlackHole(true) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.on(t, "rm -f "+counter)
			takes := actTakes()
			id := host.ActID{Run: "cut", Step: i}
			end := s.started(t, s.claimed(t, c.as), id, fence.Epoch, takes)
			begun, cut := time.Now(), time.Now()
			c.cut()
			if err := <-end; !errors.Is(err, host.ErrLost) {
				t.Fatalf("an act whose connection is cut gives the error %v", err)
			}
			noticed := time.Since(cut)
			s.proxy.BlackHole(false)
			session := s.open(t, c.as)
			contact, err := session.Contact(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			// The silent connection is given up after 15 to 20 s, when a short act is over.
			want := host.ActRunning
			if noticed > takes-2*time.Second {
				want = host.ActDone
			}
			if got := stateOf(contact, id); got != want {
				t.Errorf("the new session finds the act %q, expected %q", got, want)
			}
			if err := session.Claim(t.Context(), fence); err != nil {
				t.Fatal(err)
			}
			found(t, session, id, takes)
			s.once(t)
			t.Logf("noticed after %v; the act of %v was over %v after it had begun", noticed.Round(time.Millisecond), takes, time.Since(begun).Round(time.Millisecond))
			if out, err := session.Adopt(t.Context(), id); err != nil || string(out.Stdout) != "over\n" {
				t.Errorf("adopted, it gives %q and the error %v", out.Stdout, err)
			}
		})
	}
}

func stateOf(c *host.Contact, id host.ActID) host.ActState {
	for _, a := range c.Acts {
		if a.ID == id {
			return a.State
		}
	}
	return ""
}

// TestPowerCut cuts the power under an act. The next session knows that it did
// not see the end of it, and nothing begins it again unasked.
func TestPowerCut(t *testing.T) {
	s := measured(t)
	id := host.ActID{Run: "power", Step: 1}
	end := s.started(t, s.claimed(t, root), id, fence.Epoch, actTakes())
	if err := s.PowerOff(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.proxy.Cut()
	if err := <-end; !errors.Is(err, host.ErrLost) {
		t.Errorf("an act whose machine loses power gives the error %v", err)
	}
	if err := s.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	session := s.open(t, root)
	contact, err := session.Contact(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := stateOf(contact, id); got != "" && got != host.ActInterrupted {
		t.Errorf("after a power cut the act is %q", got)
	}
	if contact.Fence == nil || *contact.Fence != fence {
		t.Errorf("after a power cut the fence is %v", contact.Fence)
	}
	if _, err := session.Adopt(t.Context(), id); !errors.Is(err, host.ErrInterrupted) {
		t.Errorf("after a power cut, Adopt gives the error %v", err)
	}
	_, err = act(t.Context(), session, id, fence.Epoch, slow(0))
	if err == nil {
		t.Error("an act that a power cut interrupted was begun again unasked")
	}
	t.Logf("done again without a new claim: %v", err)
	s.once(t)
}

// TestKilledAct kills what runs an act.
func TestKilledAct(t *testing.T) {
	s := first(t)
	session := s.claimed(t, root)
	id := host.ActID{Run: "kill", Step: 1}
	end := s.started(t, session, id, fence.Epoch, actTakes())
	s.on(t, "systemctl kill --signal=KILL 'kplan-*.service'")
	if err := <-end; !errors.Is(err, host.ErrInterrupted) {
		t.Errorf("an act whose processes are killed gives the error %v", err)
	}
	if _, err := act(t.Context(), session, id, fence.Epoch, slow(0)); !errors.Is(err, host.ErrInterrupted) {
		t.Errorf("done again under its id, it gives the error %v", err)
	}
	if _, err := session.Adopt(t.Context(), id); !errors.Is(err, host.ErrInterrupted) {
		t.Errorf("adopted, it gives the error %v", err)
	}
	s.once(t)
}
