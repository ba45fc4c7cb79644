package view

import (
	"encoding/json"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// jsonDiagnostic is a diagnostic in the shape of `terraform validate -json`.
type jsonDiagnostic struct {
	Severity string       `json:"severity"`
	Summary  string       `json:"summary"`
	Detail   string       `json:"detail"`
	Range    *jsonRange   `json:"range,omitempty"`
	Snippet  *jsonSnippet `json:"snippet,omitempty"`
}

type jsonRange struct {
	Filename string  `json:"filename"`
	Start    jsonPos `json:"start"`
	End      jsonPos `json:"end"`
}

type jsonPos struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

type jsonSnippet struct {
	Context   *string  `json:"context"`
	Code      string   `json:"code"`
	StartLine int      `json:"start_line"`
	From      int      `json:"highlight_start_offset"`
	To        int      `json:"highlight_end_offset"`
	Values    []string `json:"values"` // always empty: values may be sensitive
}

// jsonValidation is what `validate --json` writes.
type jsonValidation struct {
	FormatVersion string           `json:"format_version"`
	Valid         bool             `json:"valid"`
	ErrorCount    int              `json:"error_count"`
	WarningCount  int              `json:"warning_count"`
	Diagnostics   []jsonDiagnostic `json:"diagnostics"`
}

// ValidationJSON writes what validating a spec found to standard output.
func (v *View) ValidationJSON(diags hcl.Diagnostics, sources Sources) {
	out := jsonValidation{FormatVersion: "1.0", Valid: !diags.HasErrors(), Diagnostics: []jsonDiagnostic{}}
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			out.ErrorCount++
		} else {
			out.WarningCount++
		}
		out.Diagnostics = append(out.Diagnostics, diagJSON(d, sources))
	}
	v.JSON(marshal(out))
}

func diagJSON(d *hcl.Diagnostic, sources Sources) jsonDiagnostic {
	j := jsonDiagnostic{Severity: "error", Summary: d.Summary, Detail: d.Detail}
	if d.Severity == hcl.DiagWarning {
		j.Severity = "warning"
	}
	if d.Subject == nil || d.Subject.Start.Line == 0 { // of a whole directory or file, which the detail names
		return j
	}
	j.Range = &jsonRange{d.Subject.Filename, jsonPos(d.Subject.Start), jsonPos(d.Subject.End)}
	if s, ok := snippetOf(d, sources); ok {
		j.Snippet = &jsonSnippet{
			Code: strings.Join(s.lines, "\n"), StartLine: s.start, From: s.from, To: s.upto, Values: []string{},
		}
		if s.context != "" {
			j.Snippet.Context = &s.context
		}
	}
	return j
}

// marshal is a JSON document of a value that has one, indented.
func marshal(value any) []byte {
	b, err := json.MarshalIndent(value, "", "  ")
	if err != nil { // only values of our own types come here
		panic("view: " + err.Error())
	}
	return b
}
