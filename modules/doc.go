package modules

import (
	"errors"
	"fmt"
	"go/ast"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"io/fs"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl/schema"
	"github.com/kplan/kplan/modules/internal/container"
	"github.com/kplan/kplan/modules/internal/kube"
	"github.com/kplan/kplan/modules/internal/kubeadm"
	"github.com/kplan/kplan/modules/internal/linux"
)

// Doc is the documentation of a resource type, as its source has it.
type Doc struct {
	Type    string
	Summary string // the first sentence
	Text    string // what follows, paragraphs apart by an empty line
	Example string // HCL
	// Attributes are in the order of the source.
	Attributes []AttributeDoc
}

// AttributeDoc is the documentation of one attribute.
type AttributeDoc struct {
	Name      string
	Type      string // as a variable's type is written: list(string)
	Mode      string // id, required, optional, computed
	Default   string // as HCL, "" where there is none
	Sensitive bool
	Doc       string
}

// sources are the packages of resource types.
var sources = []fs.FS{container.Source, kube.Source, kubeadm.Source, linux.Source}

// Explain reads the documentation of a type from the source that defines it.
func Explain(typeName string) (Doc, error) {
	t, ok := Lookup(typeName)
	if !ok {
		return Doc{}, fmt.Errorf("there is no resource type %q", typeName)
	}
	spec, text, err := findStruct(t.Schema.GoName())
	if err != nil {
		return Doc{}, err
	}
	d := Doc{Type: t.Name}
	d.Summary, d.Text, d.Example = splitComment(text)
	fields := map[string]string{}
	for _, f := range spec.Fields.List {
		text := strings.TrimSpace(f.Comment.Text())
		if text == "" {
			text = strings.TrimSpace(f.Doc.Text())
		}
		for _, name := range f.Names {
			fields[name.Name] = strings.ReplaceAll(text, "\n", " ")
		}
	}
	for _, a := range t.Schema.Attributes {
		d.Attributes = append(d.Attributes, AttributeDoc{
			Name: a.Name, Type: typeText(a), Mode: modeText(a.Mode), Default: literal(a.Default), Sensitive: a.Sensitive, Doc: fields[a.Field],
		})
	}
	return d, nil
}

// findStruct finds the struct type called name, and its doc comment.
func findStruct(name string) (*ast.StructType, string, error) {
	for _, source := range sources {
		files, err := fs.Glob(source, "*.go")
		if err != nil {
			return nil, "", err
		}
		for _, file := range files {
			text, err := fs.ReadFile(source, file)
			if err != nil {
				return nil, "", err
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, text, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return nil, "", err
			}
			for _, decl := range parsed.Decls {
				gen, ok := decl.(*ast.GenDecl)
				if !ok || gen.Tok != token.TYPE {
					continue
				}
				for _, s := range gen.Specs {
					spec := s.(*ast.TypeSpec)
					if st, ok := spec.Type.(*ast.StructType); ok && spec.Name.Name == name {
						return st, gen.Doc.Text(), nil
					}
				}
			}
		}
	}
	return nil, "", errors.New("no source defines the type " + name)
}

// splitComment takes a doc comment apart: code is the example, the first
// sentence the summary.
func splitComment(text string) (summary, rest, example string) {
	var parser comment.Parser
	var paragraphs []string
	for _, block := range parser.Parse(text).Content {
		if code, ok := block.(*comment.Code); ok {
			example += code.Text
			continue
		}
		printed := (&comment.Printer{TextWidth: -1}).Text(&comment.Doc{Content: []comment.Block{block}})
		paragraphs = append(paragraphs, strings.TrimSpace(string(printed)))
	}
	summary, more, _ := strings.Cut(strings.Join(paragraphs, "\n\n"), ".\n\n")
	if more != "" {
		return summary + ".", more, example
	}
	return summary, "", example
}

func typeText(a schema.Attribute) string {
	if a.Shell {
		return "string or list(string)"
	}
	return typeName(a.Type)
}

func typeName(t cty.Type) string {
	switch {
	case t.IsListType():
		return "list(" + typeName(t.ElementType()) + ")"
	case t.IsSetType():
		return "set(" + typeName(t.ElementType()) + ")"
	case t.IsMapType():
		return "map(" + typeName(t.ElementType()) + ")"
	case t.IsObjectType():
		return "object"
	}
	return t.FriendlyName()
}

func modeText(m schema.Mode) string {
	switch m {
	case schema.ID:
		return "id"
	case schema.Required:
		return "required"
	case schema.Computed:
		return "computed"
	}
	return "optional"
}

// literal writes a default as HCL. Of an empty string the comment tells.
func literal(v cty.Value) string {
	switch {
	case v == cty.NilVal || v.RawEquals(cty.StringVal("")):
		return ""
	case v.Type() == cty.String:
		return fmt.Sprintf("%q", v.AsString())
	case v.Type() == cty.Bool:
		return fmt.Sprint(v.True())
	}
	return v.AsBigFloat().Text('f', -1)
}
