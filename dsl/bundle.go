package dsl

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// Bundle is the sources of a spec and all that its values were taken from,
// without anything sensitive.
type Bundle struct {
	// Sources of the spec and its modules, by the file name of ranges, with
	// sensitive literals cut out.
	Sources map[string][]byte `json:"sources"`
	Cuts    []Cut             `json:"cuts"`
	// Variables that were given a value and are not sensitive, as JSON with
	// their types.
	Variables map[string]json.RawMessage `json:"variables"`
	// Files that functions read, by name: content, or a keyed digest where they
	// were only used in sensitive values.
	Files map[string][]byte `json:"files"`
	// Listed is the paths that listings found in the directory of a module, by
	// that directory: names, whatever the files hold. One that ends with a slash
	// is a directory in which a listing found nothing.
	Listed map[string][]string `json:"listed"`
	// Digests, keyed, of the values of sensitive variables (var.name) and of
	// the files that were only used in sensitive values (file.name).
	Digests map[string]string `json:"digests"`
}

// digestOf is the keyed digest of what is sensitive. what separates the uses of
// the key.
func digestOf(key []byte, what string, content []byte) string {
	h := hmac.New(sha256.New, key)
	fmt.Fprintf(h, "kplan spec\x00%d %s\x00", len(what), what)
	h.Write(content)
	return hex.EncodeToString(h.Sum(nil))
}

// Bundle is what a saved plan holds of the spec. It is to be called after all
// instances and outputs were evaluated, since it holds the files that their
// functions read. key digests what is sensitive. A warning is of a file that the
// bundle holds and that may be secret for all that the spec says.
func (s *Spec) Bundle(key []byte) (*Bundle, hcl.Diagnostics) {
	b := &Bundle{
		Sources: map[string][]byte{}, Variables: map[string]json.RawMessage{},
		Files: map[string][]byte{}, Listed: map[string][]string{}, Digests: map[string]string{},
	}
	locs := slices.SortedFunc(maps.Keys(s.modules), func(a, c location) int { return cmp.Compare(a.file("x"), c.file("x")) })
	var diags hcl.Diagnostics
	for _, loc := range locs {
		s.bundleSources(b, s.modules[loc], key)
		diags = append(diags, s.bundleFiles(b, s.modules[loc], key)...)
	}
	for name, v := range s.root.mod.variables {
		value, more := s.value(s.top, valueID{s.root, kindVar, name}, nil)
		diags = append(diags, more...)
		bare, _ := value.UnmarkDeep()
		j, err := ctyjson.Marshal(bare, cty.DynamicPseudoType)
		if err != nil {
			diags = append(diags, errorAt(v.rng, "Variable cannot be saved", "The value of %q cannot stand in a plan: %s.", name, err))
			continue
		}
		if v.sensitive {
			b.Digests["var."+name] = digestOf(key, "var."+name, j)
			continue
		}
		b.Variables[name] = j
	}
	return b, diags
}

// bundleSources puts the sources of a module in, without sensitive literals.
func (s *Spec) bundleSources(b *Bundle, m *module, key []byte) {
	secret := map[hcl.Range]bool{}
	m.expressions(func(e *expr) {
		if m.loc.embedded {
			return
		}
		if e.secret && literal(e.Expression) {
			secret[e.Range()] = true
		}
		for _, part := range e.secrets {
			if literal(part.expr) {
				secret[part.expr.Range()] = true
			}
		}
	})
	digest := func(path string, text []byte) string { return digestOf(key, "source."+path, text) }
	seen := map[string]int{}
	for _, name := range slices.Sorted(maps.Keys(m.sources)) {
		shown := m.loc.file(name)
		f := s.files[shown] // without a byte order mark, as ranges count
		var args []argument
		argumentsIn(f.Body.(*hclsyntax.Body), "", seen, func(a argument) {
			if secret[a.expr.Range()] {
				args = append(args, a)
			}
		})
		slices.SortFunc(args, func(a, c argument) int { return a.expr.Range().Start.Byte - c.expr.Range().Start.Byte })
		src, cuts := cut(shown, f.Bytes, args, digest)
		b.Sources[shown] = src
		b.Cuts = append(b.Cuts, cuts...)
	}
}

// bundleFiles puts the files in that functions of a module read, and the names
// of those that they listed. It warns of files that may be secret.
func (s *Spec) bundleFiles(b *Bundle, m *module, key []byte) hcl.Diagnostics {
	listed := slices.Concat(m.files.Listed(), m.secretFiles.Listed(), m.doubtFiles.Listed())
	if slices.Sort(listed); len(listed) > 0 {
		b.Listed[m.loc.file("")] = slices.Compact(listed)
	}
	read := m.files.Read()
	for _, f := range read {
		if !f.Secret {
			b.Files[m.loc.file(f.Path)] = f.Content
		}
	}
	var diags hcl.Diagnostics
	doubtful := m.doubtFiles.Read()
	for _, f := range doubtful {
		name := m.loc.file(f.Path)
		if _, shown := b.Files[name]; shown || f.Secret {
			continue
		}
		b.Files[name] = f.Content
		if !m.loc.embedded {
			diags = append(diags, warningAt(hcl.Range{Filename: name, Start: hcl.InitialPos, End: hcl.InitialPos}, "File in the plan",
				"The plan holds what is in %s: it is read for a value of which only parts are used as sensitive ones. If it is secret, write sensitive(file(%q)).", name, f.Path))
		}
	}
	for _, f := range slices.Concat(read, m.secretFiles.Read(), doubtful) {
		name := m.loc.file(f.Path)
		if _, shown := b.Files[name]; !shown {
			b.Digests["file."+name] = digestOf(key, "file."+name, f.Content)
		}
	}
	return diags
}
