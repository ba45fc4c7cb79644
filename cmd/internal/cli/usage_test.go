package cli

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/kplan/kplan/engine"
)

// checkStream checks what every stream promises: one JSON object a line, the
// version first, counted without gaps.
func checkStream(t *testing.T, stream string) {
	t.Helper()
	for i, line := range strings.Split(strings.TrimSuffix(stream, "\n"), "\n") {
		var m struct {
			Type  string `json:"type"`
			Seq   int    `json:"seq"`
			Level string `json:"@level"`
			Text  string `json:"@message"`
			Time  string `json:"@timestamp"`
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("line %d is no JSON: %v: %q", i+1, err, line)
		}
		if m.Seq != i+1 || m.Level == "" || m.Text == "" || m.Time == "" || (m.Type == "version") != (i == 0) {
			t.Fatalf("line %d: %s", i+1, line)
		}
	}
}

func TestWorst(t *testing.T) {
	for _, tt := range []struct {
		codes []int
		want  int
	}{
		{nil, 0},
		{[]int{0, 0}, 0},
		{[]int{1, 2}, 2},
		{[]int{2, 8}, 8},
		{[]int{8, 3}, 3},
		{[]int{3, 130, 5}, 5},
		{[]int{5, 6, 4, 7, 130}, 7},
		{[]int{4, 6}, 4},
	} {
		if got := worst(tt.codes...); got != tt.want {
			t.Errorf("worst(%v) = %d, want %d", tt.codes, got, tt.want)
		}
	}
}

func TestCodeOf(t *testing.T) {
	diags := hcl.Diagnostics{
		{Severity: hcl.DiagWarning, Summary: "w"},
		{Severity: hcl.DiagError, Summary: "e"},
		{Severity: hcl.DiagError, Summary: "e", Extra: engine.CodeStale},
		{Severity: hcl.DiagWarning, Summary: "w", Extra: engine.CodeUnreachable},
	}
	for n, want := range []int{0, 0, 1, 5, 5} {
		if got := codeOf(diags[:n]); got != want {
			t.Errorf("code of the first %d is %d, want %d", n, got, want)
		}
	}
}

func TestFlagsAnywhere(t *testing.T) {
	for _, tt := range []struct {
		args string
		want []string
		out  string
	}{
		{"a b -out x", []string{"a", "b"}, "x"},
		{"-out=x a b", []string{"a", "b"}, "x"},
		{"a --out x b", []string{"a", "b"}, "x"},
		{"a --out x -- --b", []string{"a", "--b"}, "x"},
		{"- -json --out=x", []string{"-"}, "x"},
	} {
		f := newFlags("t")
		out := f.String("out", "FILE", "")
		f.Bool("json", "")
		got, err := f.parse(strings.Fields(tt.args))
		if err != nil || !slices.Equal(got, tt.want) || *out != tt.out {
			t.Errorf("%q gives %q, out %q, %v", tt.args, got, *out, err)
		}
	}
}

// TestEveryHelp checks that each command can be found, helps, and says how its
// flags are given.
func TestEveryHelp(t *testing.T) {
	s := newSite(t, "")
	for _, c := range commands() {
		words := strings.Fields(c.name)
		a := s.want(0, []string{"Usage: kplan " + c.name, "Exit status:", "Examples:", "--chdir DIR"}, append(slices.Clone(words), "--help")...)
		if b := s.run(append([]string{"help"}, words...)...); b.stdout != a.stdout {
			t.Errorf("kplan help %s and kplan %s --help differ", c.name, c.name)
		}
		if b := s.run(append(slices.Clone(words), "-h")...); b.stdout != a.stdout {
			t.Errorf("kplan %s -h and --help differ", c.name)
		}
		if c.short == "" || strings.ToLower(c.short[:1]) != c.short[:1] || strings.HasSuffix(c.short, ".") {
			t.Errorf("short text of %s: %q", c.name, c.short)
		}
		for _, line := range strings.Split(a.stdout, "\n") {
			if strings.Contains(line, "  ") && strings.HasPrefix(line, "  --") && strings.Count(line, "Go") > 0 {
				t.Errorf("%s: %s", c.name, line)
			}
		}
	}
}
