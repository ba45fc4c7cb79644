package engine

import (
	"testing"

	"github.com/hashicorp/hcl/v2"
)

func TestRefusalsNameErrorsAlone(t *testing.T) {
	warning := &hcl.Diagnostic{Severity: hcl.DiagWarning, Detail: "Old words."}
	first := &hcl.Diagnostic{Severity: hcl.DiagError, Detail: "First."}
	second := &hcl.Diagnostic{Severity: hcl.DiagError, Detail: "Second."}
	if err := refusal(hcl.Diagnostics{warning}); err != nil {
		t.Errorf("a warning refuses: %v", err)
	}
	if err := refusal(hcl.Diagnostics{warning, first, second}); err == nil || err.Error() != "First.\n\nSecond." {
		t.Errorf("refused: %v", err)
	}
}
