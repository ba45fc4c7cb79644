package dsl

import (
	"bytes"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Cut is a sensitive literal that a saved plan does not keep.
type Cut struct {
	File   string `json:"file"`
	Offset int    `json:"offset"` // in the source that is kept, of what stands for it
	Length int    `json:"length"`
	Path   string `json:"path"`   // of the argument, such as variable.token.default
	Digest string `json:"digest"` // keyed, of the source text
}

// argument is an argument of a file, with its place among the blocks.
type argument struct {
	path string
	expr hclsyntax.Expression
}

// argumentsIn is all arguments below a body, in source order, and the members of
// local values. Blocks that look alike are counted.
func argumentsIn(body *hclsyntax.Body, prefix string, seen map[string]int, f func(argument)) {
	for _, a := range inSource(body.Attributes) {
		f(argument{prefix + a.Name, a.Expr})
		if prefix != "locals." {
			continue
		}
		for _, m := range membersOf(a.Expr) {
			if len(m.path) > 0 {
				f(argument{prefix + a.Name + m.name(), m.expr})
			}
		}
	}
	for _, b := range body.Blocks {
		p := prefix + b.Type
		for _, l := range b.Labels {
			p += "." + l
		}
		if b.Type != "locals" {
			if seen[p]++; seen[p] > 1 {
				p += fmt.Sprintf("#%d", seen[p])
			}
		}
		argumentsIn(b.Body, p+".", seen, f)
	}
}

// cut is the source without the expressions at the ranges, each with null in
// its place and as many line ends as it had.
func cut(file string, src []byte, args []argument, digest func(path string, text []byte) string) ([]byte, []Cut) {
	var out bytes.Buffer
	var cuts []Cut
	from := 0
	for _, a := range args {
		rng := a.expr.Range()
		text := src[rng.Start.Byte:rng.End.Byte]
		out.Write(src[from:rng.Start.Byte])
		c := Cut{File: file, Offset: out.Len(), Path: a.path, Digest: digest(a.path, text)}
		out.WriteString("null")
		out.Write(bytes.Repeat([]byte("\n"), bytes.Count(text, []byte("\n"))))
		c.Length = out.Len() - c.Offset
		cuts = append(cuts, c)
		from = rng.End.Byte
	}
	out.Write(src[from:])
	return out.Bytes(), cuts
}

// restore puts texts back in the place of cuts, which are in order.
func restore(src []byte, cuts []Cut, text func(Cut) ([]byte, *hcl.Diagnostic)) ([]byte, hcl.Diagnostics) {
	var out bytes.Buffer
	var diags hcl.Diagnostics
	from := 0
	for _, c := range cuts {
		if c.Offset < from || c.Length < 0 || c.Offset+c.Length > len(src) {
			return src, append(diags, damaged(c.File))
		}
		t, d := text(c)
		if d != nil {
			diags = append(diags, d)
			continue
		}
		out.Write(src[from:c.Offset])
		out.Write(t)
		from = c.Offset + c.Length
	}
	out.Write(src[from:])
	return out.Bytes(), diags
}

func damaged(file string) *hcl.Diagnostic {
	return errorAt(hcl.Range{Filename: file, Start: hcl.InitialPos, End: hcl.InitialPos}, "Damaged plan", "What the saved plan says of %s does not fit together. Make the plan again.", file)
}
