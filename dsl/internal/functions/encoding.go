package functions

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"path"
	"unicode/utf8"

	ctyyaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/kplan/kplan/dsl/internal/guard"
)

// textFunc is a function from text to text.
func textFunc(description string, f func(s string) (string, error)) function.Function {
	return function.New(&function.Spec{
		Description: description,
		Params:      []function.Parameter{{Name: "str", Type: cty.String}},
		Type:        function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			s, err := f(args[0].AsString())
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			return cty.StringVal(s), nil
		},
	})
}

var (
	base64EncodeFunc = textFunc("The Base64 of a text.", func(s string) (string, error) {
		return base64.StdEncoding.EncodeToString([]byte(s)), nil
	})
	base64DecodeFunc = textFunc("The text of a Base64, which must be UTF-8.", func(s string) (string, error) {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return "", err
		}
		if !utf8.Valid(b) {
			return "", errNotText
		}
		return string(b), nil
	})
	sha256Func = textFunc("The SHA-256 of a text, in hexadecimal.", func(s string) (string, error) {
		sum := sha256.Sum256([]byte(s))
		return hex.EncodeToString(sum[:]), nil
	})
	base64SHA256Func = textFunc("The SHA-256 of a text, in Base64.", func(s string) (string, error) {
		sum := sha256.Sum256([]byte(s))
		return base64.StdEncoding.EncodeToString(sum[:]), nil
	})
	urlEncodeFunc = textFunc("A text as it stands in the query of a URL.", func(s string) (string, error) {
		return url.QueryEscape(s), nil
	})
	basenameFunc = textFunc("The last part of a path.", func(s string) (string, error) { return path.Base(s), nil })
	dirnameFunc  = textFunc("A path without its last part.", func(s string) (string, error) { return path.Dir(s), nil })
)

// beforeDecode bounds what a decoder reads, by which it is bounded what it
// makes.
func beforeDecode(b *guard.Budget, args []value) error {
	s := args[0].AsString()
	if len(s) > MaxFile {
		return function.NewArgErrorf(0, "there is more than 1 MiB to decode")
	}
	return b.Steps(int64(len(s)) / 2)
}

// beforeYAMLDecode does so for a decoder that recurses for each level and looks
// again at all that is open for each line.
func beforeYAMLDecode(b *guard.Budget, args []value) error {
	if err := beforeDecode(b, args); err != nil {
		return err
	}
	if flow, column := yamlDepth([]byte(args[0].AsString())); flow > guard.MaxLevels || column > guard.MaxLevels {
		return function.NewArgErrorf(0, "the document is nested too deep")
	}
	// Aliases share their types, but are copied out when values are made.
	ty, err := ctyyaml.Standard.ImpliedType([]byte(args[0].AsString()))
	if err != nil {
		return nil // the function says what is wrong
	}
	_, err = b.Measure(cty.UnknownVal(ty))
	return err
}

// yamlDepth is the number of brackets that are open at most, and how deep the
// text before the first word of a line nests at most: by one for each dash,
// question mark or indentation.
func yamlDepth(src []byte) (flow, block int) {
	open := 0
	for line := range bytes.Lines(src) {
		block = max(block, len(line)-len(bytes.TrimLeft(line, " -?:\t")))
		for _, c := range line {
			switch c {
			case '[', '{':
				open++
				flow = max(flow, open)
			case ']', '}':
				open = max(open-1, 0)
			}
		}
	}
	return flow, block
}

// beforeEncode bounds a document, in which some bytes become six, and each
// element can have its own indented line.
func beforeEncode(b *guard.Budget, args []value) error {
	size, err := b.Measure(args[0])
	if err != nil {
		return err
	}
	return bounded(b, 2*int64(size.Bytes)+int64(size.Elements)*int64(2*size.Depth+4))
}
