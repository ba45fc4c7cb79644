// Package kubeconfig reads and edits the files that tell kubectl how clusters
// are reached.
//
// It knows their format, which is that of client-go's v1.Config (kubernetes.io,
// "Organizing Cluster Access Using kubeconfig Files"), and no machine. What it
// does not edit it leaves byte for byte as it is: comments, order, spelling.
package kubeconfig

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"

	yaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/modules/internal/objects"
)

// Cluster is how a cluster is reached, and by what it is known.
type Cluster struct {
	Server   string // URL
	CA       string // certificates in PEM; "" where they stand in a file of their own
	Insecure bool   // whatever its certificate is
}

// Context is who speaks to which cluster, by the names of their entries.
type Context struct{ Cluster, User string }

// User is who speaks to a cluster: a certificate and its key, in PEM. Each is ""
// where the entry has something else.
type User struct{ Cert, Key string }

// File is a kubeconfig: its entries by name.
type File struct {
	Clusters map[string]Cluster
	Contexts map[string]Context
	Users    map[string]User
	Current  string // the current context; "" where there is none

	text string
	doc  cty.Value
}

// The lists of a kubeconfig.
const (
	clusters = "clusters"
	contexts = "contexts"
	users    = "users"
	current  = "current-context"
)

var lists = []string{clusters, contexts, users}

// alias finds a reference of YAML to another place, by which a short text can
// stand for a huge one.
var alias = regexp.MustCompile(`(?m)^[^#\n]*?(?:^|[\s,\[{])\*[^\s]`)

// blank is a text of nothing but comments.
var blank = regexp.MustCompile(`^(?:[ \t\r]*(?:#[^\n]*)?\n)*[ \t\r]*(?:#[^\n]*)?$`)

// Parse reads a kubeconfig; an empty one has no entries. An error is the end of
// a sentence that begins with the file.
func Parse(text string) (*File, error) {
	switch {
	case objects.TooDeep(text):
		return nil, errors.New("it is nested too deep")
	case alias.MatchString(text):
		return nil, errors.New("it has aliases of YAML, which kplan does not read")
	}
	doc := cty.NullVal(cty.DynamicPseudoType)
	if !blank.MatchString(text) {
		var err error
		if doc, err = yaml.Unmarshal([]byte(text), cty.DynamicPseudoType); err != nil {
			if at, ok := errors.AsType[yaml.Error](err); ok { // its words may show what stands there
				return nil, fmt.Errorf("it is no YAML: look at line %d", at.Line)
			}
			return nil, errors.New("it is no YAML")
		}
	}
	f := &File{Clusters: map[string]Cluster{}, Contexts: map[string]Context{}, Users: map[string]User{}, text: text, doc: doc}
	if doc.IsNull() {
		return f, nil
	}
	if !doc.Type().IsObjectType() {
		return nil, errors.New("it is no kubeconfig")
	}
	if kind := str(field(doc, "kind")); kind != "" && kind != "Config" {
		return nil, fmt.Errorf("it is no kubeconfig but a %s", kind)
	}
	f.Current = str(field(doc, current))
	for _, list := range lists {
		seen := map[string]bool{}
		entries, ok := elements(field(doc, list))
		if !ok {
			return nil, fmt.Errorf("it is no kubeconfig: %s is no list", list)
		}
		for _, e := range entries {
			name := str(field(e, "name"))
			if name == "" || seen[name] {
				return nil, fmt.Errorf("it is no kubeconfig that kubectl reads: in %s, a name is missing or there twice", list)
			}
			seen[name] = true
			f.add(list, name, e)
		}
	}
	return f, nil
}

func (f *File) add(list, name string, entry cty.Value) {
	switch list {
	case clusters:
		c := field(entry, "cluster")
		insecure := field(c, "insecure-skip-tls-verify")
		f.Clusters[name] = Cluster{
			Server: str(field(c, "server")), CA: data(field(c, "certificate-authority-data")),
			Insecure: insecure != cty.NilVal && insecure.RawEquals(cty.True),
		}
	case contexts:
		c := field(entry, "context")
		f.Contexts[name] = Context{Cluster: str(field(c, "cluster")), User: str(field(c, "user"))}
	case users:
		u := field(entry, "user")
		f.Users[name] = User{Cert: data(field(u, "client-certificate-data")), Key: data(field(u, "client-key-data"))}
	}
}

// Has tells whether a cluster, a context or a user is called name.
func (f *File) Has(name string) bool {
	_, cluster := f.Clusters[name]
	_, context := f.Contexts[name]
	_, user := f.Users[name]
	return cluster || context || user
}

// Alone tells whether the file is what Render makes of its entries called name,
// with nothing beside them.
func (f *File) Alone(name string) bool {
	return f.Has(name) && f.text == Render(name, f.Clusters[name], f.Users[name])
}

// Bare tells whether nothing is in the file that anybody could miss.
func (f *File) Bare() bool {
	if strings.Contains(f.text, "#") {
		return false
	}
	for name, v := range f.attributes() {
		switch name {
		case "apiVersion", "kind":
		case current:
			if f.Current != "" {
				return false
			}
		default:
			if !v.IsNull() && (!v.CanIterateElements() || v.LengthInt() > 0) {
				return false
			}
		}
	}
	return true
}

func (f *File) attributes() map[string]cty.Value {
	if f.doc.IsNull() {
		return nil
	}
	return f.doc.AsValueMap()
}

// index is where in a list the entry called name stands, or -1.
func (f *File) index(list, name string) int {
	entries, _ := elements(field(f.doc, list))
	for i, e := range entries {
		if str(field(e, "name")) == name {
			return i
		}
	}
	return -1
}

// elements are those of a list; of one that is not there, none.
func elements(v cty.Value) ([]cty.Value, bool) {
	switch {
	case v == cty.NilVal || v.IsNull():
		return nil, true
	case !v.Type().IsTupleType():
		return nil, false
	}
	return v.AsValueSlice(), true
}

func field(v cty.Value, name string) cty.Value {
	if v == cty.NilVal || v.IsNull() || !v.Type().IsObjectType() || !v.Type().HasAttribute(name) {
		return cty.NilVal
	}
	return v.GetAttr(name)
}

func str(v cty.Value) string {
	if v == cty.NilVal || v.IsNull() || v.Type() != cty.String {
		return ""
	}
	return v.AsString()
}

// data is what stands in base64.
func data(v cty.Value) string {
	b, err := base64.StdEncoding.DecodeString(str(v))
	if err != nil {
		return ""
	}
	return string(b)
}
