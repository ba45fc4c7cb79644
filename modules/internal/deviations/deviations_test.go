package deviations

import "testing"

func TestSummary(t *testing.T) {
	for _, c := range []struct {
		odd  []string
		want string
	}{
		{nil, ""},
		{[]string{"a"}, "a"},
		{[]string{"a", "b", "c", "d", "e", "f"}, "a, b, c, d, e, f"}, // "and more" would be no shorter
		{[]string{"a", "b", "c", "d", "e", "f", "g"}, "a, b, c, d, e, and more"},
	} {
		if got := Summary(c.odd); got != c.want {
			t.Errorf("%q: %q, want %q", c.odd, got, c.want)
		}
	}
	seven := []string{"a", "b", "c", "d", "e", "f", "g"}
	if Summary(seven); seven[5] != "f" {
		t.Errorf("what was found is changed: %q", seven)
	}
}

func TestRefuse(t *testing.T) {
	if err := Refuse(""); err != nil {
		t.Error(err)
	}
	if err := Refuse("a"); err == nil {
		t.Error("a spec may set what is found")
	}
}
