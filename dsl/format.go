package dsl

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"

	"github.com/kplan/kplan/dsl/internal/guard"
)

// Format is the source of the file called name in its canonical form: what it
// gave comes back as it is. With errors, of a source that does not parse, it is
// the source itself.
func Format(name string, src []byte) ([]byte, hcl.Diagnostics) {
	if _, diags := guard.Parse(name, src, guard.NewBudget()); diags.HasErrors() {
		return src, diags
	}
	return hclwrite.Format(src), nil
}
