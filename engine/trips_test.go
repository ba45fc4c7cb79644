package engine_test

import "testing"

// An inline step of a machine that the run has changed costs two calls: what
// it finds, and what it does, with the reading back behind it.
func TestAnInlineStepTakesTwoCalls(t *testing.T) {
	calls := func(body string) int {
		w := newWorld(t, "a")
		w.machines["a"].Put("/etc/hosts", "127.0.0.1\tlocalhost\n127.0.1.1\ta\n")
		w.machines["a"].Put("/etc/fstab", "/swap none swap sw 0 0\n")
		w.spec(motd + body)
		p := w.plan()
		before := w.machines["a"].Calls()
		_, diags := w.run(p)
		w.noErrors(diags)
		w.wantSteps()
		return w.machines["a"].Calls() - before
	}
	alone := calls("")
	for name, body := range map[string]string{
		"file":       `path = "/etc/issue"`,
		"hosts_file": `entries = { "10.0.0.1" = ["a"] }`,
		"swap":       `enabled = false`,
	} {
		body = "\nresource \"" + name + "\" \"it\" {\n  on = hosts\n  depends_on = [file.motd]\n  " + body + "\n}\n"
		if n := calls(body) - alone; n != 2 {
			t.Errorf("%s: %d calls", name, n)
		}
	}
}
