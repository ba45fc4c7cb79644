package plans

import "fmt"

// SealError is a saved plan that is not exactly what kplan wrote here.
type SealError struct {
	Path    string // "" where it is not known
	Msg     string
	Foreign bool // whole as it is, and the digest that was reviewed would tell whether it is the one
}

func (e *SealError) Error() string { return "the plan is refused: " + e.Msg }

// FormatError is a saved plan of a format that this kplan does not read.
type FormatError struct {
	Path    string
	Format  int
	Version string // of the kplan that wrote it, "" where it is not known
}

func (e *FormatError) Error() string {
	by := "another kplan"
	if e.Version != "" {
		by = "kplan " + e.Version
	}
	return fmt.Sprintf("the plan has format %d, written by %s; this kplan reads format %d: plan again", e.Format, by, FileFormat)
}
