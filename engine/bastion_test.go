package engine_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/engine"
)

const behindJump = `
host "jump" { address = "10.0.0.3" }
host "a" {
  address = "10.0.0.1"
  connection { bastion = host.jump }
}
`

const besideJump = `
host "b" { address = "10.0.0.2" }
resource "file" "motd" {
  on      = [for h in hosts : h if h.name != "jump"]
  path    = "/etc/motd"
  content = "hello\n"
}
`

// withoutJump is a world in which the blocks of a host and of its bastion are
// gone, and what was made on the host is not.
func withoutJump(t *testing.T) *world {
	w := newWorld(t, "a", "b", "jump")
	for i, spec := range []string{behindJump + besideJump, besideJump} {
		if err := os.WriteFile(filepath.Join(w.dir, "main.kplan.hcl"), []byte(spec), 0o600); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			w.apply()
		}
	}
	return w
}

func TestAHostIsRemovedTogetherWithItsBastion(t *testing.T) {
	w := withoutJump(t)
	e, through := w.engine(), map[string]string{}
	connect := e.Connect
	e.Parallelism = 1
	e.Connect = func(ctx context.Context, h, jump *dsl.Host) (engine.Link, error) {
		if jump != nil {
			through[h.Name] = jump.Name + " " + jump.Connection.Host
		}
		return connect(ctx, h, jump)
	}
	p, diags := e.Plan(t.Context(), w.input())
	w.noErrors(diags)
	defer p.Close()
	if got := steps(p); !slices.Equal(got, []string{"delete file.motd@a"}) {
		t.Errorf("steps: %v", got)
	}
	if through["a"] != "jump 10.0.0.3" || len(through) != 1 {
		t.Errorf("reached through: %v", through)
	}
	_, diags = w.run(p)
	w.noErrors(diags)
	w.wantSteps()
}

// Nobody knows the way to such a host any more: what is on it has to wait, and
// nothing else does.
func TestAHostWhoseBastionIsNowhereIsWithheld(t *testing.T) {
	w := withoutJump(t)
	w.machines["b"].Put("/etc/motd", "by hand\n")
	p, _ := w.planWith(func(in *engine.PlanInput) { delete(in.State.Hosts, "jump") })
	if got := steps(p); !slices.Equal(got, []string{"update file.motd@b"}) {
		t.Errorf("steps: %v", got)
	}
	if held := p.Plan.Withheld(); len(held) != 1 || held[0].Addr.String() != "file.motd@a" {
		t.Errorf("withheld: %v", held)
	}
	h, _ := p.Plan.Host("a")
	if want := "it is reached through the bastion jump, which is neither in the spec nor recorded"; h.Reachable || !strings.HasPrefix(h.Reason, "host a cannot be reached: "+want+"; ") {
		t.Errorf("host a: %+v", h)
	}
}

// A bastion cannot be let go while a host that the plan has to reach is behind it.
func TestABastionIsLetGo(t *testing.T) {
	const letGoJump = "removed {\n  from = host.jump\n}\n"
	w := withoutJump(t)
	put := func(spec string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(w.dir, "main.kplan.hcl"), []byte(spec), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.bury("jump")
	put(letGoJump + besideJump)
	_, diags := w.engine().Plan(t.Context(), w.input())
	want := "Host a is reached through host.jump, and what is recorded of host a is not deleted yet. Let host a go as well, by the block removed { from = host.a }, or take this block out until nothing of it is recorded any more."
	if len(diags) != 1 || diags[0].Summary != "Bastion is let go" || diags[0].Detail != want || diags[0].Subject == nil || diags[0].Subject.Start.Line != 1 {
		t.Errorf("diagnostics %v", diags)
	}
	w.bury("a")
	put(letGoJump + letGoA + besideJump)
	w.wantSteps("forget file.motd@a")
	w.apply()
	if hosts := w.input().State.Hosts; len(hosts) != 1 {
		t.Errorf("recorded: %v", hosts)
	}
	put(besideJump)
	w.wantSteps()
}
