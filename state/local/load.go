package local

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/kplan/kplan/state"
)

const maxJournal = 1 << 30

// loaded is what stands in .kplan.
type loaded struct {
	snap *state.Snapshot // of state.json, with the journal folded in
	// Of state.json alone:
	serial int64
	run    string // the last that is folded
	// begun says that snap holds a run that state.json does not.
	begun bool
	// over are journals that hold nothing that snap does not: already folded,
	// or of a run that had not begun.
	over []string
	// open is the journal of the run that was folded in.
	open string
	// bad are journals that are damaged, and err says how.
	bad []string
	err error
}

// load reads state.json, then the journals. A damaged state.json is an error;
// damaged journals are in the result, with all that is valid folded in.
func (b *Backend) load() (*loaded, error) {
	snap, err := b.loadState(b.path(stateFile))
	if err != nil {
		return nil, err
	}
	l := &loaded{snap: snap, serial: snap.Serial, run: snap.Applied.Run}
	names, err := b.fs.List(b.path(journalDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, name := range names {
		run, ok := strings.CutSuffix(name, ".wal")
		if !ok {
			continue
		}
		if err := b.loadJournal(l, b.path(journalDir, name), run); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (b *Backend) loadState(path string) (*state.Snapshot, error) {
	data, err := b.readFile(path, state.MaxSize)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &state.DamagedError{Path: path, Msg: "it is missing", Fix: "kplan state repair"}
	}
	if err != nil {
		return nil, err
	}
	return state.Decode(path, data)
}

func (b *Backend) loadJournal(l *loaded, path, run string) error {
	data, err := b.readFile(path, maxJournal)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // folded since it was listed
	}
	if err != nil {
		return err
	}
	records, err := parse(data)
	damaged := func(msg string) {
		l.bad = append(l.bad, path)
		if l.err == nil {
			l.err = &state.DamagedError{Path: path, Msg: msg, Fix: "kplan state repair"}
		}
	}
	var begin *state.Begin
	if len(records) > 0 {
		begin = records[0].Begin
	}
	switch {
	case begin != nil && begin.Lineage == l.snap.Lineage && begin.Run == l.run && begin.Serial == l.serial-1:
		l.over = append(l.over, path)
	case len(records) == 0 && err == nil:
		l.over = append(l.over, path) // cut off before Begin returned
	case begin == nil && err == nil:
		damaged("it does not begin with the beginning of a run")
	case begin == nil:
		damaged(err.Error())
	case begin.Run != run:
		damaged("it is the journal of the run " + begin.Run)
	case l.open != "":
		damaged("there is another journal beside it")
	default:
		for i, r := range records {
			if foldErr := l.snap.Fold(r); foldErr != nil {
				damaged(fmt.Sprintf("record %d: %v", i+1, foldErr))
				return nil
			}
			l.begun, l.open = true, path
		}
		if err != nil {
			damaged(err.Error())
		}
	}
	return nil
}

// parse returns the records of the valid prefix, and what is wrong behind it.
func parse(data []byte) ([]state.Record, error) {
	codec := state.NewCodec()
	var records []state.Record
	_, err := scan(data, func(offset int, payload []byte) error {
		for len(payload) > 0 {
			line, rest, _ := bytes.Cut(payload, []byte("\n"))
			r, err := codec.Parse(line)
			if err == nil && (r.Begin != nil) != (len(records) == 0) {
				err = errors.New("a run begins within another")
			}
			if err != nil {
				return &frameError{offset, 0, fmt.Sprintf("a record cannot be read (%v)", err)}
			}
			records = append(records, r)
			payload = rest
		}
		return nil
	})
	return records, err
}
