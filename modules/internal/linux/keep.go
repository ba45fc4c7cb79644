package linux

import (
	"path"

	"github.com/kplan/kplan/modules/host"
)

// writtenBy begins the configuration files that are kplan's own.
const writtenBy = "# Written by kplan.\n"

// keepFile writes a file of kplan's own into a directory that a small system
// may lack, such as /etc/sysctl.d; without text it removes the file.
func keepFile(p, text string) []host.Op {
	if text == "" {
		return []host.Op{host.Remove{Path: p}}
	}
	return []host.Op{
		host.Run{Argv: []string{"mkdir", "-p", path.Dir(p)}},
		host.WriteFile{Path: p, Content: []byte(text), Mode: 0o644},
	}
}
