package wire

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// echoing is a proxy before a server that answers each line with itself.
func echoing(t *testing.T) (*Proxy, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			}()
		}
	}()
	p, err := New(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	c, err := p.Dial(t.Context(), "tcp", "ignored:1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return p, c
}

func say(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatal(err)
	}
}

func hear(t *testing.T, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("heard %q, want %q, %v", got[:n], want, err)
	}
}

func TestCounts(t *testing.T) {
	p, c := echoing(t)
	for range 3 {
		say(t, c, "ab")
		hear(t, c, "ab")
	}
	if got := p.Counts(); got != (Counts{3, 6, 6}) {
		t.Errorf("%+v", got)
	}
	p.Reset()
	long := strings.Repeat("x", 1<<20)
	go func() { _, _ = io.WriteString(c, long) }()
	hear(t, c, long)
	if got := p.Counts(); got.Up != 1<<20 || got.Down != 1<<20 || got.Trips == 0 {
		t.Errorf("%+v", got)
	}
}

func TestHalfClose(t *testing.T) {
	_, c := echoing(t)
	say(t, c, "last")
	_ = c.(*net.TCPConn).CloseWrite()
	if b, err := io.ReadAll(c); err != nil || string(b) != "last" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestLatency(t *testing.T) {
	p, c := echoing(t)
	const oneWay = 50 * time.Millisecond
	p.Set(Faults{Latency: oneWay})
	begun := time.Now()
	say(t, c, "a")
	hear(t, c, "a")
	if took := time.Since(begun); took < 2*oneWay || took > 2*oneWay+5*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestDrip(t *testing.T) {
	p, c := echoing(t)
	p.Set(Faults{Drip: 20 * time.Millisecond})
	begun := time.Now()
	say(t, c, "abcde")
	hear(t, c, "abcde")
	if took := time.Since(begun); took < 100*time.Millisecond {
		t.Errorf("took %v", took)
	}
}

func TestBreaks(t *testing.T) {
	for name, test := range map[string]struct {
		faults Faults
		act    func(*Proxy)
		heard  string
		want   error
	}{
		"cut up":    {faults: Faults{CutUp: 3}, heard: "", want: nil}, // nothing or a part, then the end
		"cut down":  {faults: Faults{CutDown: 3}, heard: "abc", want: io.EOF},
		"cut now":   {act: (*Proxy).Cut, want: io.EOF},
		"reset":     {act: (*Proxy).RST, want: syscall.ECONNRESET},
		"hole up":   {faults: Faults{HoleUp: 2}, heard: "ab", want: os.ErrDeadlineExceeded},
		"hole down": {faults: Faults{HoleDown: 2}, heard: "ab", want: os.ErrDeadlineExceeded},
		"hole":      {act: func(p *Proxy) { p.BlackHole(true) }, want: os.ErrDeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, c := echoing(t)
			p.Set(test.faults)
			if test.act != nil {
				say(t, c, "x") // the connection is there
				hear(t, c, "x")
				test.act(p)
			}
			if !errors.Is(test.want, syscall.ECONNRESET) { // which is told once: by a write, or by a read
				_, _ = io.WriteString(c, "abcdef")
			}
			if test.want == nil {
				if b, _ := io.ReadAll(c); len(b) > 3 {
					t.Errorf("heard %q", b)
				}
				return
			}
			hear(t, c, test.heard)
			_ = c.SetDeadline(time.Now().Add(200 * time.Millisecond))
			// A closed socket with bytes unread may show either.
			_, err := c.Read(make([]byte, 1))
			if !errors.Is(err, test.want) && !(errors.Is(test.want, io.EOF) && errors.Is(err, syscall.ECONNRESET)) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}
