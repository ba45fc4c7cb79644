package local

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// A journal is a sequence of frames. Each is written by one write and made
// durable before the next is begun, so that after a crash only the last one
// can be torn:
//
//	magic u32 | length u32 | CRC-32C of the payload u32 | chain u32 | payload | padding
//
// Numbers are little-endian. The payload is lines of JSON, the records of one
// moment. Frames begin at multiples of 16 bytes, so that a header lies within
// one sector. The chain is the CRC-32C of the chain before and of the three
// numbers: it covers the header, and it binds each frame to all before it.
// Behind the last frame stand the zeros of the reserved room.
const (
	magic      = 0x314c4a4b // "KJL1"
	headerSize = 16
	align      = 16
	sector     = 512 // what a disk writes whole or not at all
	maxFrame   = 64 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// frame builds the bytes of a frame behind the chain before it, and returns
// its own chain.
func frame(payload []byte, before uint32) ([]byte, uint32) {
	b := make([]byte, headerSize, pad(headerSize+len(payload)))
	binary.LittleEndian.PutUint32(b[0:], magic)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(payload))) //nolint:gosec // bounded by maxFrame
	binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(payload, castagnoli))
	chain := link(before, b)
	binary.LittleEndian.PutUint32(b[12:], chain)
	b = append(b, payload...)
	return b[:cap(b)], chain
}

func pad(n int) int { return (n + align - 1) / align * align }

func link(before uint32, header []byte) uint32 {
	var b [16]byte
	binary.LittleEndian.PutUint32(b[:], before)
	copy(b[4:], header[:12])
	return crc32.Checksum(b[:], castagnoli)
}

// frameError is a place in a journal where something else than a frame, or
// its end, stands.
type frameError struct {
	offset int
	later  int // intact records behind it
	msg    string
}

func (e *frameError) Error() string {
	return fmt.Sprintf("%s at byte %d; %d records after it are intact", e.msg, e.offset, e.later)
}

// scan calls each with the payload of every frame of the valid prefix, and
// returns the length of that prefix. A torn last frame is not an error: nobody
// was told that it was written. A *frameError is damage to what was.
func scan(data []byte, each func(offset int, payload []byte) error) (int, error) {
	chain := uint32(0)
	pos := 0
	for {
		rest := data[pos:]
		payload, status := next(rest, chain)
		switch status {
		case intact:
			if err := each(pos, payload); err != nil {
				return pos, err
			}
			chain = binary.LittleEndian.Uint32(rest[12:])
			pos = min(pos+pad(headerSize+len(payload)), len(data))
			continue
		case torn:
			if n := intactAfter(rest); n > 0 {
				return pos, &frameError{pos, n, "a record is missing"}
			}
			return pos, nil
		}
		return pos, &frameError{pos, intactAfter(rest), "what stands there is not what kplan wrote,"}
	}
}

type frameStatus int

const (
	intact  frameStatus = iota
	torn                // the end, or a frame that was not written to its end
	damaged             // a frame that was written and changed since
)

// next judges the first frame of data.
func next(data []byte, before uint32) ([]byte, frameStatus) {
	if len(data) < headerSize {
		return nil, torn
	}
	header, body := data[:headerSize], data[headerSize:]
	if zero(header) {
		return nil, torn
	}
	if binary.LittleEndian.Uint32(header) != magic || binary.LittleEndian.Uint32(header[12:]) != link(before, header) {
		if zero(body) {
			return nil, torn // cut within the header
		}
		return nil, damaged
	}
	n := int(binary.LittleEndian.Uint32(header[4:]))
	if n == 0 || n > maxFrame {
		return nil, damaged
	}
	if len(body) < n {
		return nil, torn
	}
	payload := body[:n]
	if crc32.Checksum(payload, castagnoli) == binary.LittleEndian.Uint32(header[8:]) {
		if end := min(pad(headerSize+n)-headerSize, len(body)); !zero(body[n:end]) {
			return nil, damaged
		}
		return payload, intact
	}
	// A payload ends with a newline. Where a write was cut, zeros stand at its
	// end or in whole sectors; anything else was changed later.
	if payload[n-1] == 0 || sectorZero(data[:headerSize+n]) {
		return nil, torn
	}
	return nil, damaged
}

// sectorZero reports whether a whole sector within the frame is zero, wherever
// the frame begins. The sector of the header is there, as the header is; of
// the last one the last byte tells.
func sectorZero(frame []byte) bool {
	run := 0
	for _, c := range frame {
		if c != 0 {
			run = 0
			continue
		}
		if run++; run >= sector {
			return true
		}
	}
	return false
}

// intactAfter counts the records in intact frames anywhere in data, whatever
// their chain.
func intactAfter(data []byte) int {
	var sign [4]byte
	binary.LittleEndian.PutUint32(sign[:], magic)
	records := 0
	for pos := 0; ; {
		i := bytes.Index(data[pos:], sign[:])
		if i < 0 {
			return records
		}
		pos += i
		if len(data)-pos > headerSize {
			n := int(binary.LittleEndian.Uint32(data[pos+4:]))
			if n > 0 && n <= len(data)-pos-headerSize {
				payload := data[pos+headerSize : pos+headerSize+n]
				if crc32.Checksum(payload, castagnoli) == binary.LittleEndian.Uint32(data[pos+8:]) {
					records += bytes.Count(payload, []byte("\n"))
					pos += headerSize + n
					continue
				}
			}
		}
		pos += len(sign)
	}
}

func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
