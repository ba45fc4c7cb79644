package kubeadm

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/kplan/kplan/modules/internal/objects"
)

// parseConfig reads the file, and names what is in it, or missing, beside the
// attributes that are wanted.
func parseConfig(text string, want KubeadmConfig) (got KubeadmConfig, odd []string) {
	got.Path = want.Path
	have, odd, err := byKind(text)
	if err != nil {
		return got, []string{"the file is no configuration of kubeadm"}
	}
	version, _ := at(have[clusterKind], "kubernetesVersion").(string)
	got.Version = strings.TrimPrefix(version, "v")
	got.CRISocket, _ = at(have[initKind], "nodeRegistration", "criSocket").(string)
	wanted := want.settings()
	for i, s := range got.settings() {
		value := at(have[s.kind], s.path...)
		switch w := wanted[i]; {
		case s.text != nil && *w.text != nil:
			if text, ok := value.(string); ok {
				*s.text = &text
			}
		case s.list != nil && *w.list != nil:
			*s.list = textsIn(value)
		case s.args != nil && *w.args != nil:
			*s.args = argsOf(value)
		}
	}
	for kind, text := range got.components() {
		if w := *want.components()[kind]; w != nil && have[kind] != nil {
			read := component(have[kind], *w)
			*text = &read
		}
	}
	expected := got.trees()
	if _, known := configAPI(got.Version); !known { // it is the version that differs
		for _, kind := range []string{initKind, clusterKind} {
			expected[kind]["apiVersion"] = at(have[kind], "apiVersion")
		}
	}
	if _, there := have[initKind][initTokens]; !there { // of an earlier kplan; it says nothing of a cluster that is there
		delete(expected[initKind], initTokens)
	}
	return got, append(odd, differences(have, expected)...)
}

// byKind reads the documents of the file; odd are kinds that are there twice.
func byKind(text string) (have map[string]map[string]any, odd []string, err error) {
	trees, err := objects.Trees(text)
	if err != nil {
		return nil, nil, err
	}
	have = map[string]map[string]any{}
	for _, tree := range trees {
		kind, _ := tree["kind"].(string)
		if have[kind] != nil {
			odd = append(odd, kind+" twice")
			continue
		}
		have[kind] = tree
	}
	return have, odd, nil
}

// oneTree reads the configuration of a component.
func oneTree(text string) (map[string]any, error) {
	trees, err := objects.Trees(text)
	switch {
	case err != nil:
		return map[string]any{}, err
	case len(trees) != 1:
		return map[string]any{}, errors.New("there is not exactly one document")
	}
	return trees[0], nil
}

// component is the configuration of a component as the block writes it: in the
// words of want where it says the same.
func component(tree map[string]any, want string) string {
	tree = maps.Clone(tree)
	delete(tree, "apiVersion")
	delete(tree, "kind")
	if wanted, err := oneTree(want); err == nil && reflect.DeepEqual(wanted, tree) {
		return want
	}
	return objects.YAML(tree)
}

func at(tree map[string]any, path ...string) any {
	var v any = tree
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

func textsIn(value any) []string {
	list, _ := value.([]any)
	texts := make([]string, 0, len(list))
	for _, e := range list {
		if text, ok := e.(string); ok {
			texts = append(texts, text)
		}
	}
	return texts
}

// argsOf are the flags that a mapping or a list holds. What is otherwise there
// is not in them, and is a difference then.
func argsOf(value any) map[string]string {
	args := map[string]string{}
	switch v := value.(type) {
	case map[string]any:
		for name, value := range v {
			if text, ok := value.(string); ok {
				args[name] = text
			}
		}
	case []any:
		for _, e := range v {
			m, _ := e.(map[string]any)
			name, isName := m["name"].(string)
			if text, ok := m["value"].(string); ok && isName {
				args[name] = text
			}
		}
	}
	return args
}

// differences names, in order, what is not as expected, by kind and path.
func differences(have, expected map[string]map[string]any) (odd []string) {
	var compare func(path string, have, expected any)
	compare = func(path string, have, expected any) {
		h, isTree := have.(map[string]any)
		e, alike := expected.(map[string]any)
		switch {
		case isTree && alike:
			for name := range h {
				compare(path+"."+name, h[name], e[name])
			}
			for name := range e {
				if _, there := h[name]; !there {
					odd = append(odd, path+"."+name+" is missing")
				}
			}
		case !reflect.DeepEqual(have, expected):
			odd = append(odd, path)
		}
	}
	for kind, tree := range have {
		if expected[kind] == nil {
			odd = append(odd, strings.TrimSpace("a document "+kind))
			continue
		}
		compare(kind, tree, expected[kind])
	}
	for kind := range expected {
		if have[kind] == nil {
			odd = append(odd, kind+" is missing")
		}
	}
	slices.Sort(odd)
	return odd
}
