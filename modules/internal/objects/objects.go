// Package objects tells which objects of Kubernetes a YAML text holds, and reads
// and writes what a YAML text says.
//
// It knows YAML and what every object has: a kind, a name. It knows no cluster.
package objects

import (
	"errors"
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
		if empty(doc.text) {
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

// document is a part of a text, and the number of the line there that its first
// line is on, or is the rest of.
type document struct {
	text string
	line int
}

// split takes the documents apart where kubectl does: at lines of three dashes.
func split(text string) []document {
	var all []document
	from, line := 0, 1
	for _, dashes := range append(separator.FindAllStringIndex(text, -1), []int{len(text), len(text)}) {
		all = append(all, document{text[from:dashes[0]], line})
		line += strings.Count(text[from:dashes[1]], "\n")
		from = dashes[1]
	}
	return all
}

// fromZero are the errors whose lines the decoder counts from 0: those of its
// parser and of what it makes of the events. Those of its scanner count from 1.
var fromZero = regexp.MustCompile(`^did not find expected (',' or|'-' indicator|<document start>|key|node content)|^found (undefined|duplicate|incompatible)|^(only|expecting|can't|cannot) |^mapping key (cannot|must)`)

// decode reads the document. An error names the line of the text that it is on.
// The column is left out, which the scanner does not tell.
func (d document) decode() (cty.Value, error) {
	v, err := yaml.Unmarshal([]byte(d.text), cty.DynamicPseudoType)
	var at yaml.Error
	if !errors.As(err, &at) {
		return v, err
	}
	lines := strings.Split(d.text, "\n")
	n := at.Line
	switch cause := at.Cause().Error(); {
	case fromZero.MatchString(cause):
		n++
	case cause == "could not find expected ':'": // seen when the line was over
		n--
	}
	n = min(n, len(lines))
	for n > 1 && empty(lines[n-1]) {
		n--
	}
	return v, fmt.Errorf("on line %d: %w", d.line+n-1, at.Cause())
}

func empty(doc string) bool {
	for line := range strings.Lines(doc) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			return false
		}
	}
	return true
}

func parse(doc document) (Object, error) {
	if TooDeep(doc.text) {
		return Object{}, fmt.Errorf("is nested too deep. An object has at most %d levels", maxLevels)
	}
	v, err := doc.decode()
	if err != nil {
		return Object{}, fmt.Errorf("is no YAML: %w", err)
	}
	o := Object{Text: strings.Trim(doc.text, "\n") + "\n", body: v}
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
