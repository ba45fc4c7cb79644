package container

import (
	"reflect"
	"regexp"
	"slices"
	"strconv"

	"github.com/pelletier/go-toml/v2"
)

// parseTOML gives the values of a file by their full key, such as
// `host."https://x".capabilities`. Tables without values are not in it.
func parseTOML(text string) (map[string]any, error) {
	var tree map[string]any
	if err := toml.Unmarshal([]byte(text), &tree); err != nil {
		return nil, err
	}
	values := map[string]any{}
	flatten(values, "", tree)
	return values, nil
}

var bareKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func flatten(values map[string]any, prefix string, tree map[string]any) {
	for key, value := range tree {
		if !bareKey.MatchString(key) {
			key = strconv.Quote(key)
		}
		if table, ok := value.(map[string]any); ok {
			flatten(values, prefix+key+".", table)
			continue
		}
		values[prefix+key] = value
	}
}

// differences names, in order, the keys whose values are not as expected, with
// the name of the file before each.
func differences(file string, have, expected map[string]any) []string {
	var odd []string
	for key, value := range have {
		if e, ok := expected[key]; !ok || !reflect.DeepEqual(e, value) {
			odd = append(odd, file+key)
		}
	}
	for key := range expected {
		if _, ok := have[key]; !ok {
			odd = append(odd, file+key+" is missing")
		}
	}
	slices.Sort(odd)
	return odd
}
