package linux

import "strings"

// debSource is an entry of sources.list(5) in its deb822 form.
type debSource struct {
	uri        string
	suites     []string
	components []string
	signedBy   string // a path; "" for the keys that are trusted for all
}

// String is the entry as kplan writes it.
func (s debSource) String() string {
	text := "Types: deb\nURIs: " + s.uri + "\nSuites: " + strings.Join(s.suites, " ") + "\n"
	if len(s.components) > 0 {
		text += "Components: " + strings.Join(s.components, " ") + "\n"
	}
	if s.signedBy != "" {
		text += "Signed-By: " + s.signedBy + "\n"
	}
	return text
}

// parseSource reads the file of an entry; ok is false where it is not as kplan
// writes it.
func parseSource(text string) (s debSource, ok bool) {
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch name {
		case "URIs":
			s.uri = value
		case "Suites":
			s.suites = strings.Fields(value)
		case "Components":
			s.components = strings.Fields(value)
		case "Signed-By":
			s.signedBy = value
		}
	}
	return s, text == writtenBy+s.String()
}
