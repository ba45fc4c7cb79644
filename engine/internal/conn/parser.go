package conn

import (
	"bytes"
	"errors"
	"strings"
	"sync/atomic"
)

const (
	streamCap   = 1 << 20  // of each stream of a command (host.Output)
	frameKept   = 32 << 20 // of all that one frame gives, beyond the largest file it asks for
	frameDrop   = 256 << 20
	noiseKept   = 4 << 10
	noiseLimit  = 1 << 20
	markerLimit = 128
)

var (
	errFlood  = errors.New("the machine sent more than kplan reads of one answer")
	errNoise  = errors.New("more than 1 MiB came before the shell was ready")
	errMarker = errors.New("the machine broke the protocol: a marker that kplan's shell does not write")
)

// mark is a marker, with what the stream held before it.
type mark struct {
	id, word  string
	data      []byte
	truncated bool
}

// The ids of markers that stand for no operation.
const (
	markFound = "found" // the needle, in what comes before the first marker
	markBegin = "begin"
	markEnd   = "end"
)

// parser cuts one stream of a shell at the lines that begin with the nonce.
// Whatever the machine sends, it keeps a bounded amount.
type parser struct {
	prefix string // nonce and blank: how a marker begins
	needle []byte // looked for before the first marker; nil: nothing
	emit   func(mark)

	framed bool   // the first marker was seen
	noise  []byte // the end of what came before it
	within bool   // noise begins within a line

	limit     atomic.Int64 // of one operation's data; set between frames
	data      []byte
	truncated bool
	kept      int // since the frame began
	dropped   int

	start   bool   // at the start of a line
	newline bool   // a line feed was read that a marker would swallow
	hold    []byte // what may become a marker
}

func newParser(nonce string, emit func(mark)) *parser {
	p := &parser{prefix: nonce + " ", emit: emit, start: true}
	p.limit.Store(streamCap)
	return p
}

// feed takes the next bytes of the stream.
func (p *parser) feed(b []byte) error {
	if !p.framed {
		if err := p.search(b); err != nil {
			return err
		}
	}
	return p.split(b)
}

// search keeps what comes before the first marker, and finds the needle in it.
func (p *parser) search(b []byte) error {
	if p.dropped += len(b); p.dropped > noiseLimit {
		return errNoise
	}
	p.noise = append(p.noise, b...)
	for p.needle != nil {
		i := bytes.Index(p.noise, p.needle)
		if i < 0 {
			break
		}
		p.emit(mark{id: markFound, data: bytes.Clone(p.noise[:i])})
		p.noise, p.within = p.noise[i+len(p.needle):], false
	}
	if cut := len(p.noise) - noiseKept; cut > 0 {
		p.within = p.noise[cut-1] != '\n'
		p.noise = bytes.Clone(p.noise[cut:])
	}
	return nil
}

func (p *parser) split(b []byte) error {
	for len(b) > 0 {
		if !p.start {
			i := bytes.IndexByte(b, '\n')
			if i < 0 {
				return p.keep(b)
			}
			if err := p.keep(b[:i]); err != nil {
				return err
			}
			p.start, p.newline = true, true
			b = b[i+1:]
			continue
		}
		if missing := len(p.prefix) - len(p.hold); missing > 0 {
			n := min(missing, len(b))
			p.hold = append(p.hold, b[:n]...)
			b = b[n:]
			if !strings.HasPrefix(p.prefix, string(p.hold)) {
				if err := p.release(); err != nil {
					return err
				}
			}
			continue
		}
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			i = len(b)
		}
		if len(p.hold)+i > markerLimit {
			return errMarker
		}
		p.hold = append(p.hold, b[:i]...)
		if i == len(b) {
			return nil
		}
		b = b[i+1:]
		if err := p.marker(string(p.hold[len(p.prefix):])); err != nil {
			return err
		}
		p.hold, p.newline = nil, false
	}
	return nil
}

// release gives back as data what turned out to be no marker.
func (p *parser) release() error {
	b := p.hold
	p.hold, p.start = nil, false
	if p.newline {
		p.newline = false
		if err := p.keep([]byte{'\n'}); err != nil {
			return err
		}
	}
	return p.split(b)
}

func (p *parser) marker(line string) error {
	id, word, ok := strings.Cut(line, " ")
	if !ok || id == "" || word == "" || strings.Contains(word, " ") {
		return errMarker
	}
	if id == markBegin {
		p.framed, p.noise, p.kept, p.dropped = true, nil, 0, 0
		p.data, p.truncated = nil, false
	} else if !p.framed {
		return errMarker
	}
	p.emit(mark{id: id, word: word, data: p.data, truncated: p.truncated})
	p.data, p.truncated = nil, false
	return nil
}

func (p *parser) keep(b []byte) error {
	if !p.framed {
		return nil
	}
	limit := int(p.limit.Load())
	n := min(len(b), max(0, limit-len(p.data)))
	p.data = append(p.data, b[:n]...)
	p.kept += n
	if n < len(b) {
		p.truncated = true
		p.dropped += len(b) - n
	}
	if p.kept > frameKept+limit || p.dropped > frameDrop {
		return errFlood
	}
	return nil
}
