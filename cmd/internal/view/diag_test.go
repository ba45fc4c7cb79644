package view

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/hashicorp/hcl/v2"
)

const spec = `host "a" {
  address = "10.0.0.1"
}

resource "file" "motd" {
  on      = hosts
	pth     = "/etc/motd"
  content = <<-EOT
    one
    two
  EOT
}
`

func sources(string) []byte { return []byte(spec) }

// rangeOf is the range of the first occurrence of part in the spec.
func rangeOf(t *testing.T, part string) *hcl.Range {
	t.Helper()
	i := bytes.Index([]byte(spec), []byte(part))
	if i < 0 {
		t.Fatalf("%q is not in the spec", part)
	}
	pos := func(at int) hcl.Pos {
		before := spec[:at]
		line := 1 + bytes.Count([]byte(before), []byte("\n"))
		return hcl.Pos{Line: line, Column: at - bytes.LastIndexByte([]byte(before), '\n'), Byte: at}
	}
	return &hcl.Range{Filename: "main.kplan.hcl", Start: pos(i), End: pos(i + len(part))}
}

func TestDiagnostics(t *testing.T) {
	var stderr bytes.Buffer
	v := New(Options{Out: &bytes.Buffer{}, Err: &stderr})
	v.Diagnostics(hcl.Diagnostics{
		{
			Severity: hcl.DiagError, Summary: "Unsupported argument",
			Detail: "An argument named \"pth\" is not expected here. Did you mean \"path\"?", Subject: rangeOf(t, "pth"),
		},
		{Severity: hcl.DiagWarning, Summary: "A warning", Detail: "Full sentence."},
		{
			Severity: hcl.DiagError, Summary: "Step failed", Subject: rangeOf(t, "resource \"file\" \"motd\""),
			Detail: "On host web1, apt-get ended with exit status 100.\n\nThe end of its output:\n\n    ::error::x\n    \x1b[2Jgone",
		},
	}, sources)
	golden(t, "diagnostics.txt", stderr.String())
}

func TestValidationJSON(t *testing.T) {
	var stdout bytes.Buffer
	v := New(Options{Out: &stdout, Err: &bytes.Buffer{}})
	v.ValidationJSON(hcl.Diagnostics{
		{Severity: hcl.DiagError, Summary: "Unsupported argument", Detail: "Why.", Subject: rangeOf(t, "pth")},
	}, sources)
	golden(t, "validation.json", stdout.String())
	var doc map[string]any
	if err := json.Unmarshal(stdout.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
}

// TestSnippetsOfAnyRange checks that no range of a source, right or wrong,
// stops a diagnostic.
func TestSnippetsOfAnyRange(t *testing.T) {
	for start := range len(spec) + 3 {
		for _, n := range []int{-2, 0, 1, 7, 1000} {
			d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "S", Subject: &hcl.Range{
				Filename: "f", Start: hcl.Pos{Line: 1, Column: 1, Byte: start}, End: hcl.Pos{Byte: start + n},
			}}
			diagnostic(newPage(look{}), d, sources)
			_ = diagJSON(d, sources)
		}
	}
}
