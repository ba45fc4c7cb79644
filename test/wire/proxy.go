// Package wire is a network between a client and a server that tests can
// measure and break: a TCP proxy that counts round trips and bytes, delays,
// drips, cuts, resets and swallows.
//
// It knows bytes and their order, and nothing of what they mean.
package wire

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// Proxy passes TCP connections on to one server. Its zero faults pass
// everything at once.
type Proxy struct {
	target   string
	listener net.Listener
	work     sync.WaitGroup

	mu      sync.Mutex
	links   map[*link]bool
	closed  bool
	faults  Faults
	hole    bool
	changed chan struct{} // closed when faults or hole change
	counts  Counts
	asked   bool // the client spoke last
}

// Faults are what a proxy does to the bytes that pass.
type Faults struct {
	Latency time.Duration // of each direction
	// Drip lets one byte of the server pass per Drip.
	Drip time.Duration
	// CutUp and CutDown end a connection after so many bytes from the client,
	// or from the server; 0: never.
	CutUp, CutDown int64
	// HoleUp and HoleDown swallow what comes after so many bytes; 0: nothing.
	HoleUp, HoleDown int64
}

// Counts is what passed since the last Reset. A round trip is the first bytes
// of the client after bytes of the server, answered by bytes of the server.
type Counts struct {
	Trips    int
	Up, Down int64
}

// New listens on a port of the loopback interface, for connections to target.
func New(target string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{target: target, listener: l, links: map[*link]bool{}, changed: make(chan struct{})}
	p.work.Go(p.accept)
	return p, nil
}

// Addr is where the proxy listens.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Dial connects to the proxy, whatever the address.
func (p *Proxy) Dial(ctx context.Context, network, _ string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, p.Addr())
}

// Set replaces the faults, for connections that are there too.
func (p *Proxy) Set(f Faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = f
	p.change()
}

// BlackHole swallows everything, without a word to either side, until it is
// called with false.
func (p *Proxy) BlackHole(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hole = on
	p.change()
}

// change wakes who waits by the old faults; p.mu is held.
func (p *Proxy) change() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// Counts are those since the last Reset.
func (p *Proxy) Counts() Counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts
}

// Reset sets the counts to zero.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts, p.asked = Counts{}, false
}

// Cut closes all connections now.
func (p *Proxy) Cut() { p.drop(false) }

// RST resets all connections now (RFC 9293, section 3.10.7).
func (p *Proxy) RST() { p.drop(true) }

func (p *Proxy) drop(reset bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.close(reset)
	}
}

// Close ends the proxy and its connections.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	err := p.listener.Close()
	p.drop(false)
	p.work.Wait()
	return err
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.work.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		_ = client.Close()
		return
	}
	l := &link{client: client, server: server, over: make(chan struct{})}
	p.mu.Lock()
	if p.closed {
		l.close(false)
	}
	p.links[l] = true
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.pass(l, client, server, true) })
	both.Go(func() { p.pass(l, server, client, false) })
	both.Wait()
	l.close(false)
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
}

// link is one connection through the proxy.
type link struct {
	client, server net.Conn
	once           sync.Once
	over           chan struct{}
}

func (l *link) close(reset bool) {
	l.once.Do(func() {
		close(l.over)
		for _, c := range []net.Conn{l.client, l.server} {
			if tcp, ok := c.(*net.TCPConn); ok && reset {
				_ = tcp.SetLinger(0)
			}
			_ = c.Close()
		}
	})
}

// packet is bytes and when they are due.
type packet struct {
	bytes []byte
	due   time.Time
}

var errCut = errors.New("cut")

// pass carries the bytes of one direction: read, delayed, written, so that
// latency does not limit throughput.
func (p *Proxy) pass(l *link, from, to net.Conn, up bool) {
	packets := make(chan packet, 1024)
	var writer sync.WaitGroup
	writer.Go(func() { p.deliver(l, to, packets, up) })
	buf := make([]byte, 64<<10)
	var total int64
	for {
		n, err := from.Read(buf)
		if n > 0 {
			b, cut := p.filter(buf[:n], &total, up)
			if len(b) > 0 {
				packets <- packet{append([]byte(nil), b...), time.Now().Add(p.latency())}
			}
			if cut != nil {
				err = cut
			}
		}
		if err != nil {
			break
		}
	}
	close(packets)
	writer.Wait()
	// A half-closed connection is passed on as such.
	if tcp, ok := to.(*net.TCPConn); ok && !p.swallows() {
		_ = tcp.CloseWrite()
	}
	if p.cuts(total, up) {
		l.close(false)
	}
}

func (p *Proxy) latency() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.faults.Latency
}

func (p *Proxy) swallows() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hole
}

func (p *Proxy) cuts(total int64, up bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	limit := p.faults.CutDown
	if up {
		limit = p.faults.CutUp
	}
	return limit > 0 && total >= limit
}

// filter is what of b passes, by the faults; total counts what was read.
func (p *Proxy) filter(b []byte, total *int64, up bool) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	cut, hole := p.faults.CutDown, p.faults.HoleDown
	if up {
		cut, hole = p.faults.CutUp, p.faults.HoleUp
	}
	before := *total
	*total += int64(len(b))
	keep := func(limit int64) []byte { return b[:max(0, min(int64(len(b)), limit-before))] }
	var err error
	if cut > 0 && *total >= cut {
		b, err = keep(cut), errCut
	}
	if p.hole {
		b = nil
	} else if hole > 0 && *total > hole {
		b = keep(hole)
	}
	p.count(len(b), up)
	return b, err
}

// count counts n bytes; p.mu is held.
func (p *Proxy) count(n int, up bool) {
	switch {
	case n == 0:
	case up:
		p.counts.Up += int64(n)
		p.asked = true
	default:
		p.counts.Down += int64(n)
		if p.asked {
			p.counts.Trips++
			p.asked = false
		}
	}
}

// deliver writes packets when they are due.
func (p *Proxy) deliver(l *link, to net.Conn, packets <-chan packet, up bool) {
	for pk := range packets {
		if !p.sleep(l, time.Until(pk.due)) {
			continue
		}
		for rest := pk.bytes; len(rest) > 0; {
			n := len(rest)
			if drip := p.drip(); drip > 0 && !up {
				n = 1
				if !p.sleep(l, drip) {
					break
				}
			}
			if _, err := to.Write(rest[:n]); err != nil {
				break
			}
			rest = rest[n:]
		}
	}
}

func (p *Proxy) drip() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.faults.Drip
}

// sleep waits, unless the link ends; changed faults end the wait.
func (p *Proxy) sleep(l *link, d time.Duration) bool {
	p.mu.Lock()
	changed := p.changed
	p.mu.Unlock()
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-l.over:
		return false
	case <-timer.C:
	case <-changed:
	}
	return true
}
