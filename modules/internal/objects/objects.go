// Package objects tells which objects of Kubernetes a YAML text holds, and reads
// and writes what a YAML text says.
//
// It knows YAML and what every object has: a kind, a name. It knows no cluster.
package objects

import (
	"fmt"
	"regexp"
	"strings"

	yaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// ID is which object it is.
type ID struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`
}

// Object is one document of a text.
type Object struct {
	ID
	Text string // the document
	body cty.Value
}

// String is the object as a sentence names it: Deployment web/front.
func (id ID) String() string {
	if id.Namespace == "" {
		return id.Kind + " " + id.Name
	}
	return id.Kind + " " + id.Namespace + "/" + id.Name
}

// Group is the API group; "" is the core's.
func (id ID) Group() string {
	if group, _, ok := strings.Cut(id.APIVersion, "/"); ok {
		return group
	}
	return ""
}

// Key is the same for all spellings of one object: it may be written in
// several versions, and in the namespace default without saying so. It can be
// read: Namespace web, Deployment.apps web/front.
func (id ID) Key() string {
	key := ID{Kind: id.Kind, Name: id.Name}
	if group := id.Group(); group != "" {
		key.Kind += "." + group
	}
	if namespace := id.InNamespace(); namespace != "default" {
		key.Namespace = namespace
	}
	return key.String()
}

// InNamespace is the namespace of an object that is in one.
func (id ID) InNamespace() string {
	if id.Namespace == "" {
		return "default"
	}
	return id.Namespace
}

// JSON is the whole object.
func (o Object) JSON() ([]byte, error) { return ctyjson.Marshal(o.body, o.body.Type()) }

// Parse reads the documents of a text, each of which must be an object. Those
// without content are left out. An error is a full sentence.
func Parse(text string) ([]Object, error) {
	var all []Object
	seen := map[string]int{}
	for i, doc := range split(text) {
		if empty(doc) {
			continue
		}
		o, err := parse(doc)
		if err != nil {
			return nil, fmt.Errorf("document %d %w", i+1, err)
		}
		if before, twice := seen[o.Key()]; twice {
			return nil, fmt.Errorf("document %d holds %s, which document %d holds already. Write each object once", i+1, o, before)
		}
		seen[o.Key()] = i + 1
		all = append(all, o)
	}
	return all, nil
}

var separator = regexp.MustCompile(`(?m)^---[ \t\r]*(#.*)?$`)

// split takes the documents apart where kubectl does: at lines of three dashes.
func split(text string) []string { return separator.Split(text, -1) }

func empty(doc string) bool {
	for line := range strings.Lines(doc) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			return false
		}
	}
	return true
}

func parse(doc string) (Object, error) {
	if TooDeep(doc) {
		return Object{}, fmt.Errorf("is nested too deep. An object has at most %d levels", maxLevels)
	}
	v, err := yaml.Unmarshal([]byte(doc), cty.DynamicPseudoType)
	if err != nil {
		return Object{}, fmt.Errorf("is no YAML: %w", err)
	}
	o := Object{Text: strings.Trim(doc, "\n") + "\n", body: v}
	metadata := field(v, "metadata")
	o.APIVersion, o.Kind = text(field(v, "apiVersion")), text(field(v, "kind"))
	o.Namespace, o.Name = text(field(metadata, "namespace")), text(field(metadata, "name"))
	switch {
	case o.APIVersion == "":
		return o, fmt.Errorf("has no apiVersion. Write one, such as apiVersion: v1")
	case o.Kind == "":
		return o, fmt.Errorf("has no kind. Write one, such as kind: ConfigMap")
	case o.Name == "" && strings.HasSuffix(o.Kind, "List"):
		return o, fmt.Errorf("is a %s. Write each object of it as a document of its own", o.Kind)
	case o.Name == "":
		return o, fmt.Errorf("has no metadata.name, so that the %s could not be found again. Write one", o.Kind)
	}
	return o, nil
}

// maxLevels bounds what the decoder, which calls itself for each level, is
// given.
const maxLevels = 1000

// TooDeep tells whether doc could be nested deeper than maxLevels: by brackets, or
// by what stands before the first word of a line.
func TooDeep(doc string) bool {
	open := 0
	for line := range strings.Lines(doc) {
		if len(line)-len(strings.TrimLeft(line, " -?:\t")) > maxLevels {
			return true
		}
		for _, c := range line {
			switch c {
			case '[', '{':
				open++
			case ']', '}':
				open = max(open-1, 0)
			}
			if open > maxLevels {
				return true
			}
		}
	}
	return false
}

func field(v cty.Value, name string) cty.Value {
	if v == cty.NilVal || v.IsNull() || !v.IsKnown() || !v.Type().IsObjectType() || !v.Type().HasAttribute(name) {
		return cty.NilVal
	}
	return v.GetAttr(name)
}

func text(v cty.Value) string {
	if v == cty.NilVal || v.IsNull() || v.Type() != cty.String {
		return ""
	}
	return v.AsString()
}
