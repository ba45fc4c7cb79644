package container

import (
	"path"

	"github.com/kplan/kplan/modules/host"
)

// textOf is the text of a file that is owned whole; nil where there is none.
// What is no regular file is not overwritten.
func textOf(f *host.File) (*string, error) {
	if f == nil {
		return nil, nil
	}
	if f.Kind != host.KindFile {
		return nil, &host.OpError{Op: "manage the file", Path: f.Path, Msg: "a " + string(f.Kind) + " stands there"}
	}
	text := string(f.Content)
	return &text, nil
}

// textsOf are the texts of the files that are there, by path.
func textsOf(results []host.Result) (map[string]*string, error) {
	texts := map[string]*string{}
	for _, r := range results {
		text, err := textOf(r.File)
		if err != nil {
			return nil, err
		}
		if text != nil {
			texts[r.File.Path] = text
		}
	}
	return texts, nil
}

// removeWithDir removes a file, and its directory where nothing else is in it.
func removeWithDir(name string) []host.Op {
	return []host.Op{host.Remove{Path: name}, host.Run{Argv: []string{"rmdir", "--", path.Dir(name)}, AnyExit: true}}
}
