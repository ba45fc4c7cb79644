package linux

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/kplan/kplan/modules/resource"
)

var moduleOption = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

// checkModuleOptions accepts what a line of modprobe.d(5) holds without quotes.
func checkModuleOptions(field string, options map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(options)) {
		if !moduleOption.MatchString(name) {
			return &resource.FieldError{Field: field, Msg: fmt.Sprintf("%q is no name of an option. Write it as modinfo lists it, such as \"max_loop\".", name)}
		}
		if strings.ContainsAny(options[name], " \t\r\n\"'\\#") {
			return &resource.FieldError{Field: field, Msg: fmt.Sprintf("The value of %s holds a blank, a quote, a backslash or a #. Write it without.", name)}
		}
	}
	return nil
}

// moduleLine is a line of options in modprobe.d(5).
func moduleLine(module string, options map[string]string) string {
	words := []string{"options", module}
	for _, name := range slices.Sorted(maps.Keys(options)) {
		if value := options[name]; value != "" {
			name += "=" + value
		}
		words = append(words, name)
	}
	return strings.Join(words, " ") + "\n"
}

// moduleOptions are the options that a file of modprobe.d(5) gives the module.
func moduleOptions(text, module string) map[string]string {
	options := map[string]string{}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 3 || words[0] != "options" || underscored(words[1]) != module {
			continue
		}
		for _, word := range words[2:] {
			name, value, _ := strings.Cut(word, "=")
			options[name] = value
		}
	}
	return options
}

// loadsModule tells whether a file of modules-load.d(5) names the module.
func loadsModule(text, module string) bool {
	for line := range strings.Lines(text) {
		if underscored(strings.TrimSpace(line)) == module {
			return true
		}
	}
	return false
}

// builtIn tells whether `modprobe --show-depends` names the module as built in.
func builtIn(text, module string) bool {
	for line := range strings.Lines(text) {
		if underscored(strings.TrimSpace(line)) == "builtin "+module {
			return true
		}
	}
	return false
}

// underscored is the name of a module as the kernel has it.
func underscored(name string) string { return strings.ReplaceAll(name, "-", "_") }
