package kubeconfig_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/kplan/kplan/modules/internal/kubeconfig"
)

const old = `# my clusters
apiVersion: v1
clusters:
- cluster:
    server: https://old.example.org  # by hand
  name: "old"
# between the lists
contexts:
- name: old
  context: {cluster: old, user: me}
current-context: old
kind: Config
preferences: {colors: true}
users:
- name: me
  user:
    token: 'it''s "mine"'

# the end
`

var (
	cluster = kubeconfig.Cluster{Server: "https://10.0.2.15:6443", CA: "ca\n"}
	user    = kubeconfig.User{Cert: "cert\n", Key: "key\n"}
)

func parse(t *testing.T, text string) *kubeconfig.File {
	t.Helper()
	f, err := kubeconfig.Parse(text)
	if err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	return f
}

func with(t *testing.T, text string) string {
	t.Helper()
	got, err := parse(t, text).With("new", cluster, user, true)
	if err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	return got
}

func TestWith(t *testing.T) {
	want := strings.NewReplacer(
		"# between", `- cluster:
    certificate-authority-data: Y2EK
    server: https://10.0.2.15:6443
  name: new
# between`,
		"current-context", `- context:
    cluster: new
    user: new
  name: new
current-context`,
		"\n# the end", `- name: new
  user:
    client-certificate-data: Y2VydAo=
    client-key-data: a2V5Cg==

# the end`,
	).Replace(old)
	if got := with(t, old); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// What is put in goes again without a trace, in all the forms that are edited.
func TestThereAndBack(t *testing.T) {
	for name, text := range map[string]string{
		"as it is":           old,
		"no line end":        strings.TrimRight(strings.TrimSuffix(old, "\n# the end\n"), "\n"),
		"of Windows":         strings.ReplaceAll(old, "\n", "\r\n"),
		"indented lists":     strings.NewReplacer("\n- ", "\n  - ", "\n  name", "\n    name", "\n  context: {", "\n    context: {", "\n    server", "\n      server", "\n  user", "\n    user", "\n    token", "\n      token").Replace(old),
		"nothing yet":        "apiVersion: v1\nclusters: null\ncontexts: null # none\ncurrent-context: \"\"\nkind: Config\npreferences: {}\nusers: null\n",
		"a document's start": "---\n" + old,
		"quoted keys":        strings.NewReplacer("\nclusters:", "\n\"clusters\":", "\nusers:", "\n'users' :").Replace(old),
		"a dash by itself":   strings.Replace(old, "- name: me\n", "-\n  name: me\n", 1),
		"more keys":          old + "extensions:\n- name: x\n  extension: |\n    clusters:\n    - cluster\n",
	} {
		t.Run(name, func(t *testing.T) {
			made := with(t, text)
			if again := with(t, made); again != made {
				t.Errorf("twice, it is\n%s", again)
			}
			f := parse(t, made)
			if f.Clusters["new"] != cluster || f.Users["new"] != user || f.Alone("new") || f.Bare() {
				t.Errorf("it says %+v", f)
			}
			back, err := f.Without("new")
			if err != nil || back != text {
				t.Errorf("%v, back it is\n%q\nand was\n%q", err, back, text)
			}
		})
	}
}

// What is not so is written anew; the rest stays as it is spelled, such as the
// namespace of a context.
func TestRepair(t *testing.T) {
	made := with(t, old)
	for name, broken := range map[string]string{
		"the server":    strings.Replace(made, "10.0.2.15", "10.9.9.9", 1),
		"not verified":  strings.Replace(made, "  name: new", "    insecure-skip-tls-verify: true\n  name: new", 1),
		"the user":      strings.Replace(made, "    user: new", "    user: me", 1),
		"the key":       strings.Replace(made, "a2V5Cg==", "b3RoZXIK", 1),
		"in other form": strings.Replace(made, "- name: new\n  user:\n", "- name: new\n  # a comment\n  user:\n    token: x\n    client-key: /x\n", 1),
	} {
		if got := with(t, broken); got != made && name != "in other form" || name == "in other form" && got != broken {
			t.Errorf("%s: got\n%s", name, got)
		}
	}
	dev := strings.Replace(made, "    cluster: new\n", "    namespace: dev\n    cluster: new\n", 1)
	dev = strings.Replace(dev, "10.0.2.15", "10.9.9.9", 1)
	if got := with(t, dev); !strings.Contains(got, "namespace: dev") || strings.Contains(got, "10.9.9.9") {
		t.Errorf("got\n%s", got)
	}
}

func TestCurrentContext(t *testing.T) {
	for text, want := range map[string]string{
		old: "current-context: old\n",
		strings.Replace(old, "current-context: old", `current-context: "" # none`, 1): "current-context: new # none\n",
		strings.Replace(old, "current-context: old\n", "", 1):                         "\n# the end\ncurrent-context: new\n",
	} {
		made := with(t, text)
		if !strings.Contains(made, want) {
			t.Errorf("got\n%s", made)
		}
		f := parse(t, strings.Replace(made, "current-context: old", "current-context: new # mine", 1))
		if back, err := f.Without("new"); err != nil || parse(t, back).Current != "" {
			t.Errorf("back: %v\n%s", err, back)
		}
	}
}

func TestAlone(t *testing.T) {
	for _, text := range []string{"", "---\n"} {
		made := with(t, text)
		f := parse(t, made)
		if text == "" && (!f.Alone("new") || made != kubeconfig.Render("new", cluster, user)) || f.Current != "new" {
			t.Errorf("made of %q:\n%s", text, made)
		}
		if back, err := f.Without("new"); err != nil || !parse(t, back).Bare() {
			t.Errorf("back: %v\n%s", err, back)
		}
	}
	if made := with(t, "# mine"); !strings.HasPrefix(made, "# mine\napiVersion") {
		t.Errorf("made:\n%s", made)
	}
	for _, name := range []string{"yes", "null", "1", "a: b", `q"uote`, "-"} {
		if f := parse(t, kubeconfig.Render(name, cluster, user)); f.Clusters[name] != cluster || f.Users[name] != user || f.Current != name {
			t.Errorf("%q: %+v", name, f)
		}
	}
}

func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		"a: [":                            "no YAML",
		"- a":                             "no kubeconfig",
		"kind: Secret":                    "but a Secret",
		"clusters: {}":                    "clusters is no list",
		"users: [{name: a}, {name: a}]":   "there twice",
		"users: [{user: {}}]":             "missing",
		"a: &a {}\nb: *a":                 "aliases",
		"a: " + strings.Repeat("[", 2000): "nested too deep",
		"---\na: 1\n---\nb: 2\n":          "no YAML",
	} {
		if _, err := kubeconfig.Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v", text, err)
		}
	}
	for _, text := range []string{
		`{"apiVersion": "v1", "kind": "Config", "clusters": []}`,
		"clusters: [{name: a}]\n",
		"  clusters:\n  - name: a\n",
		"clusters:\n- name: a\nclusters:\n- name: b\n",
		"\"clusters\\u0020\": 1\nusers: # x\n  [{name: a}]\n",
		"a: \"\nusers:\n- x\"\n",
		"clusters:\n- name: a\n...\n",
	} {
		f := parse(t, text)
		if got, err := f.With("new", cluster, user, true); err == nil || !strings.Contains(err.Error(), "its form") {
			t.Errorf("%q: %v, made\n%s", text, err, got)
		}
	}
}

// The forms that people and programs write, put together by chance.
func TestForms(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	pick := func(all ...string) string { return all[dice.IntN(len(all))] }
	comment := func() string {
		return pick("", "", "", "\n", "# a comment: - name\n", "  # indented\n", "      # deep\n")
	}
	list := func(key string, entries ...string) string {
		n := dice.IntN(3)
		if n == 0 {
			return key + ": null" + pick("", " # none", "  ") + "\n" + comment()
		}
		indent, text := pick("", "", "  ", "    "), pick(key, key, `"`+key+`"`, "'"+key+"' ")+":"+pick("", " # these")+"\n"
		for i := range n {
			text += comment()
			lines := strings.Split(strings.TrimSuffix(strings.ReplaceAll(entries[dice.IntN(len(entries))], "NAME", "n"+string(rune('a'+i))), "\n"), "\n")
			text += indent + strings.Join(lines, "\n"+indent) + "\n"
		}
		return text + comment()
	}
	for range 2000 {
		parts := []string{
			"apiVersion: v1\n", "kind: Config\n" + comment(), pick("preferences: {}\n", "preferences:\n  colors: true\n"),
			pick("current-context: na # this\n", "current-context: \"\"\n", "current-context: 'nb'\n"),
			list("clusters", "- cluster:\n    server: https://x\n  name: NAME\n", "- name: NAME # x\n  cluster: {server: \"https://y: z\"}\n", "-\n  name: \"NAME\"\n  cluster:\n    extensions:\n    - name: minikube\n      extension:\n        a: b\n"),
			list("contexts", "- context: {cluster: na, user: na}\n  name: NAME\n", "- name: NAME\n  context:\n    cluster: nb\n\n    user: na\n"),
			list("users", "- name: NAME\n  user:\n    exec:\n      command: aws\n      args:\n      - eks\n      - --x\n", "- name: NAME\n  user: {}\n", "- name: NAME\n  user:\n    token: |-\n      users:\n      # no comment\n"),
		}
		dice.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		text := pick("", "---\n", "# head\n") + strings.Join(parts, "")
		if dice.IntN(4) == 0 {
			text = strings.TrimRight(text, "\n")
		}
		if dice.IntN(4) == 0 {
			text = strings.ReplaceAll(text, "\n", "\r\n")
		}
		f := parse(t, text)
		made, err := f.With("new", cluster, user, false)
		if err != nil {
			t.Fatalf("%v:\n%s", err, text)
		}
		kept(t, text, made, "new")
		if again, err := parse(t, made).With("new", cluster, user, false); err != nil || again != made {
			t.Fatalf("%v, twice it is\n%q\nand was\n%q", err, again, made)
		}
		if back, err := parse(t, made).Without("new"); err != nil || back != text {
			t.Fatalf("%v, back it is\n%q\nand was\n%q", err, back, text)
		}
		gone, err := f.Without("na") // others go as well as its own
		if err != nil || parse(t, gone).Has("na") {
			t.Fatalf("%v, without na\n%q\nis\n%q", err, text, gone)
		}
	}
}

// Beside the entries of one name nothing changes, whatever the text is: what is
// edited says what it is to say, editing it again changes nothing, and without
// the entries it is as it was.
func FuzzEdit(f *testing.F) {
	f.Add(old, "new")
	f.Add(strings.ReplaceAll(old, "\n", "\r\n"), "old")
	f.Add(strings.TrimRight(old, "\n"), "me")
	f.Add("clusters: null\nusers: []\ncurrent-context: ''\n", "yes")
	f.Add("# only\n", "a")
	f.Add("clusters:\n  -\n    name: |\n      a\n\n  # c\nusers:\n", "a: b")
	f.Add(`{"clusters": []}`, "x")
	f.Add("0:\n- -\ncurrent-context: A\n0:\n-", "A")
	f.Fuzz(func(t *testing.T, text, name string) {
		before, err := kubeconfig.Parse(text)
		if err != nil || strings.TrimSpace(name) == "" {
			return
		}
		made, err := before.With(name, cluster, user, true)
		if err != nil {
			return
		}
		after := parse(t, made)
		if after.Clusters[name] != cluster || after.Users[name] != user || after.Contexts[name] != (kubeconfig.Context{Cluster: name, User: name}) {
			t.Fatalf("%q of %q says\n%s", made, text, made)
		}
		if before.Current != "" && after.Current != before.Current {
			t.Fatalf("the current context was %q and is %q", before.Current, after.Current)
		}
		if again, err := after.With(name, cluster, user, true); err != nil || again != made {
			t.Fatalf("again: %v\n%q\n%q", err, again, made)
		}
		back, err := after.Without(name)
		if err != nil {
			t.Fatalf("what was put in does not go: %v\n%q\n%q", err, text, made)
		}
		for _, each := range []string{made, back} {
			kept(t, text, each, name)
		}
	})
}

// kept wants the lines of one text in the other, in their order, but for those
// of entries called name and of keys without a value.
func kept(t *testing.T, text, edited, name string) {
	t.Helper()
	before, err := kubeconfig.Parse(text)
	if err != nil || before.Has(name) {
		return // lines of its own may go
	}
	rest := strings.Split(edited, "\n")
	for _, line := range strings.Split(text, "\n") {
		key, _, _ := strings.Cut(strings.Trim(line, "\r"), ":")
		switch strings.Trim(key, ` "'`) {
		case "clusters", "contexts", "users", "current-context":
			continue
		}
		for len(rest) > 0 && strings.TrimSuffix(rest[0], "\r") != strings.TrimSuffix(line, "\r") {
			rest = rest[1:]
		}
		if len(rest) == 0 {
			t.Fatalf("the line %q of\n%q\nis not in\n%q", line, text, edited)
		}
		rest = rest[1:]
	}
}
