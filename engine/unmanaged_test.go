package engine_test

import "testing"

// What a block leaves open is not compared: it may change without a word, and
// what it sets may not.
func TestWhatIsNotManagedIsNoDrift(t *testing.T) {
	w := newWorld(t, "a")
	w.spec(motd)
	w.apply()
	w.machines["a"].PutAs("/etc/motd", "hello a\n", 0o600, 0, 0)
	drift := func() (differs []string) {
		p := w.plan()
		defer p.Close()
		for _, d := range p.Plan.Drift() {
			differs = append(differs, d.Differs...)
		}
		return differs
	}
	if d := drift(); len(d) != 0 {
		t.Errorf("drift: %v", d)
	}
	w.wantSteps()
	w.machines["a"].PutAs("/etc/motd", "by hand\n", 0o600, 0, 0)
	if d := drift(); len(d) != 1 || d[0] != "content" {
		t.Errorf("drift: %v", d)
	}
	w.machines["a"].RemoveAll("/etc/motd")
	p := w.plan()
	defer p.Close()
	if d := p.Plan.Drift(); len(d) != 1 || d[0].Actual.Exists() {
		t.Errorf("drift: %v", d)
	}
}
