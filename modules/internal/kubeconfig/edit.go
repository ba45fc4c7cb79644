package kubeconfig

import (
	"encoding/base64"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	yaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
)

// An edit goes by the lines of the text, where kubectl and people put each list
// and each entry; the parser, which keeps no places, then says whether the
// entries are as they should be and everything else is as it was. A form that
// the lines do not show is refused.
var errForm = errors.New("its form is not one that kplan can edit: write each list and each entry on lines of their own, as kubectl does, or name another path")

// Render is the kubeconfig that has entries called name only, as kubectl writes
// it.
func Render(name string, c Cluster, u User) string {
	var b strings.Builder
	b.WriteString("apiVersion: v1\n")
	for _, list := range lists[:2] {
		b.WriteString(list + ":\n" + entry(list, name, c, u))
	}
	b.WriteString(current + ": " + scalar(name) + "\nkind: Config\npreferences: {}\n")
	b.WriteString(users + ":\n" + entry(users, name, c, u))
	return b.String()
}

// entry is the one of a list.
func entry(list, name string, c Cluster, u User) string {
	n := scalar(name)
	switch list {
	case clusters:
		return "- cluster:\n    certificate-authority-data: " + encoded(c.CA) + "\n    server: " + scalar(c.Server) + "\n  name: " + n + "\n"
	case contexts:
		return "- context:\n    cluster: " + n + "\n    user: " + n + "\n  name: " + n + "\n"
	}
	return "- name: " + n + "\n  user:\n    client-certificate-data: " + encoded(u.Cert) + "\n    client-key-data: " + encoded(u.Key) + "\n"
}

func encoded(pem string) string { return base64.StdEncoding.EncodeToString([]byte(pem)) }

// scalar is s in YAML: plain where that says the same.
func scalar(s string) string {
	v, err := yaml.Unmarshal([]byte("a: "+s), cty.DynamicPseudoType)
	if err == nil && str(field(v, "a")) == s && !yesNo.MatchString(s) && !strings.ContainsAny(s, "\r\n") {
		return s
	}
	return strconv.QuoteToASCII(s)
}

// With is the text with entries called name as given; those that are so already
// stay as they are spelled. Where there is no current context and choose is set,
// it is name.
func (f *File) With(name string, c Cluster, u User, choose bool) (string, error) {
	t := open(f.text)
	if f.doc.IsNull() { // with comments, or nothing
		text := strings.Join(t.all, "") + Render(name, c, u)
		return f.proveWith(text, name, c, u, name)
	}
	have, ok := f.Clusters[name]
	if !ok || have != c {
		t.put(clusters, f.index(clusters, name), entry(clusters, name, c, u))
	}
	if f.Contexts[name] != (Context{name, name}) {
		t.put(contexts, f.index(contexts, name), entry(contexts, name, c, u))
	}
	if f.Users[name] != u {
		t.put(users, f.index(users, name), entry(users, name, c, u))
	}
	now := f.Current
	if now == "" && choose {
		now = name
		t.choose(name)
	}
	text, err := t.close()
	if err != nil {
		return "", err
	}
	return f.proveWith(text, name, c, u, now)
}

func (f *File) proveWith(text, name string, c Cluster, u User, now string) (string, error) {
	g, err := f.prove(text, now, name)
	if err != nil || g.Clusters[name] != c || g.Contexts[name] != (Context{name, name}) || g.Users[name] != u {
		return "", errForm
	}
	return text, nil
}

// Without is the text without the entries called name, nor as the current
// context.
func (f *File) Without(name string) (string, error) {
	t := open(f.text)
	for _, list := range lists {
		if at := f.index(list, name); at >= 0 {
			t.put(list, at, "")
		}
	}
	now := f.Current
	if now == name {
		now = ""
		t.choose("")
	}
	text, err := t.close()
	if err != nil {
		return "", err
	}
	g, err := f.prove(text, now, name)
	if err != nil || g.Has(name) {
		return "", errForm
	}
	return text, nil
}

// prove reads text, which is to say what f says, beside the entries called name
// and the current context, which is to be now.
func (f *File) prove(text, now, name string) (*File, error) {
	g, err := Parse(text)
	if err != nil || g.Current != now || !rest(g, name).RawEquals(rest(f, name)) {
		return nil, errForm
	}
	return g, nil
}

// rest is what f says beside the entries called name and the current context. A
// list without entries says nothing.
func rest(f *File, name string) cty.Value {
	all := map[string]cty.Value{}
	for key, v := range f.attributes() {
		if slices.Contains(lists, key) {
			entries, _ := elements(v)
			entries = slices.DeleteFunc(slices.Clone(entries), func(e cty.Value) bool { return str(field(e, "name")) == name })
			if len(entries) > 0 {
				all[key] = cty.TupleVal(entries)
			}
		} else if key != current {
			all[key] = v
		}
	}
	if f.doc.IsNull() { // what it becomes is Render's
		all = map[string]cty.Value{"apiVersion": cty.StringVal("v1"), "kind": cty.StringVal("Config"), "preferences": cty.EmptyObjectVal}
	}
	return cty.ObjectVal(all)
}

// lines is a text that is edited.
type lines struct {
	all   []string // each with its end
	end   string   // of a line
	whole bool     // the last line has its end
	err   error
}

func open(text string) *lines {
	t := &lines{end: "\n", whole: strings.HasSuffix(text, "\n")}
	if strings.Contains(text, "\r\n") {
		t.end = "\r\n"
	}
	if text != "" && !t.whole {
		text += t.end
	}
	t.all = slices.Collect(strings.Lines(text))
	for _, key := range append([]string{current}, lists...) {
		first, _, found := t.find(key)
		if found && slices.ContainsFunc(t.all[first+1:], func(l string) bool { return keyOf(l) == key }) {
			t.err = errForm
		}
	}
	return t
}

func (t *lines) close() (string, error) {
	text := strings.Join(t.all, "")
	if !t.whole {
		text = strings.TrimSuffix(text, t.end)
	}
	return text, t.err
}

var (
	keyLine = regexp.MustCompile(`^(?:"([^"\\]+)"|'([^']+)'|([A-Za-z0-9_.][^:#'"\s]*)) *:(?:\s|$)`)
	// What YAML 1.1, which kubectl reads, takes for a boolean.
	yesNo = regexp.MustCompile(`(?i)^(?:y|n|yes|no|on|off)$`)
	// What stands on the line of a key that has no value, or an empty one.
	noValue = regexp.MustCompile(`^([^:]*:)[ \t]*?(?:null|~|\[ *\]|""|'')?([ \t]+#.*?|[ \t]*?)(\r?\n)$`)
	// The same of a key with any value of one line.
	oneValue = regexp.MustCompile(`^([^:]*:)[ \t]*?(?:[^ \t#].*?)?([ \t]+#.*?|[ \t]*?)(\r?\n)$`)
)

// find is the place of the lines of a key: those of its value end before to.
func (t *lines) find(key string) (at, to int, found bool) {
	at = slices.IndexFunc(t.all, func(l string) bool { return keyOf(l) == key })
	if at < 0 {
		return 0, 0, false
	}
	to = at + 1
	for to < len(t.all) && keyOf(t.all[to]) == "" {
		to++
	}
	return at, to, true
}

func keyOf(line string) string {
	if m := keyLine.FindStringSubmatch(line); m != nil {
		return m[1] + m[2] + m[3]
	}
	return ""
}

// put writes the i-th entry of a list anew, or another one where i is -1. An
// empty one goes.
func (t *lines) put(list string, i int, entry string) {
	at, to, found := t.find(list)
	if !found {
		if i >= 0 {
			t.err = errForm
			return
		}
		t.all = append(t.all, list+":"+t.end)
		at, to = len(t.all)-1, len(t.all)
	}
	indent, items, ok := t.items(at+1, to)
	empty := noValue.FindStringSubmatch(t.all[at])
	if !ok || empty == nil || i >= len(items) {
		t.err = errForm
		return
	}
	var made []string
	for l := range strings.Lines(entry) {
		made = append(made, strings.Repeat(" ", indent)+strings.TrimSuffix(l, "\n")+t.end)
	}
	from, behind := at+1, at+1 // behind the last one
	switch {
	case i >= 0:
		from, behind = items[i].from, items[i].to
	case len(items) > 0:
		from, behind = items[len(items)-1].deep, items[len(items)-1].deep
	}
	t.all = slices.Replace(t.all, from, behind, made...)
	switch {
	case len(items) == 0:
		t.all[at] = empty[1] + empty[2] + empty[3]
	case len(items) == 1 && entry == "":
		t.all[at] = empty[1] + " null" + empty[2] + empty[3]
	}
}

// item is the lines of one entry of a list: those before to, and before deep
// with comments that are indented as if they were of it. In a text of several
// lines they are no comments.
type item struct{ from, to, deep int }

// items are the entries of a list. Other comments and empty lines between them
// are of nobody.
func (t *lines) items(from, to int) (indent int, items []item, ok bool) {
	for i := from; i < to; i++ {
		line := strings.TrimRight(t.all[i], "\r\n \t")
		text := strings.TrimLeft(line, " ")
		depth := len(line) - len(text)
		last := len(items) - 1
		switch {
		case text == "" || text[0] == '#' && (last < 0 || depth <= indent):
		case last >= 0 && depth > indent:
			items[last].deep = i + 1
			if text[0] != '#' {
				items[last].to = i + 1
			}
		case (text == "-" || strings.HasPrefix(text, "- ")) && (last < 0 || depth == indent):
			indent = depth
			items = append(items, item{i, i + 1, i + 1})
		default:
			return 0, nil, false
		}
	}
	return indent, items, true
}

// choose sets the current context, or takes it away.
func (t *lines) choose(name string) {
	at, _, found := t.find(current)
	if !found {
		t.all = append(t.all, current+": "+scalar(name)+t.end)
		return
	}
	m := oneValue.FindStringSubmatch(t.all[at])
	if m == nil {
		t.err = errForm
		return
	}
	value := `""`
	if name != "" {
		value = scalar(name)
	}
	t.all[at] = m[1] + " " + value + m[2] + m[3]
}
