package conn

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/kplan/kplan/modules/host"
)

type function = func(context.Context, host.Host) error

// Act implements host.Session. Where fn makes several detached calls, they are
// the acts id, id with N+1, and so on.
func (s *Session) Act(ctx context.Context, id host.ActID, epoch int64, fn, read function) (fnErr, readErr error) {
	if err := checkAct(id); err != nil {
		return err, err
	}
	if read == nil {
		read = func(context.Context, host.Host) error { return nil }
	}
	a := &acting{session: s, id: id, guard: fmt.Sprintf("fence %s %d", quote(s.opts.Lineage), epoch)}
	startRead := func() *guest { return invite(ctx, 1, make(chan event), true, read) }
	actor := invite(ctx, 0, make(chan event), false, fn)
	var reader *guest
	ev := actor.next()
	for ; ev.call != nil; ev = actor.next() {
		if reader != nil { // what it read did not see this call
			reader.dismiss()
		}
		reader = startRead()
		a.carry(ev.call, reader.next().call)
	}
	if reader == nil {
		reader = startRead()
	}
	end := reader.next()
	for ; end.call != nil; end = reader.next() {
		s.carry(ctx, []*call{end.call})
	}
	return ev.err, end.err
}

// acting is one Act under way.
type acting struct {
	session *Session
	id      host.ActID
	guard   string
	calls   int // detached ones so far
}

// carry brings the answer to a call of the actor, and to the reading behind it
// in the same frame.
func (a *acting) carry(act, behind *call) {
	f := newFrame()
	guard := ""
	for _, op := range act.ops {
		if op.Acts() {
			guard = a.guard
		}
	}
	first := f.call(guard, act.ops, func(op host.Op) {
		if run, ok := op.(host.Run); ok && run.Detached {
			f.detach(a.next(), a.session.opts.Lineage, a.session.opts.RunDir, run)
			return
		}
		f.render(op)
	})
	second := 0
	if behind != nil {
		second = f.call("", behind.ops, f.render)
	}
	answers, err := a.session.exchange(act.ctx, f)
	a.session.deliver(act, first, answers, err)
	if behind != nil {
		a.session.deliver(behind, second, answers, err)
	}
}

// next is the id of the next detached call: the first has the act's own.
func (a *acting) next() host.ActID {
	id := a.id
	id.N += a.calls
	a.calls++
	return id
}

// detach appends a command that outlives the connection.
func (f *frame) detach(id host.ActID, lineage, runDir string, op host.Run) {
	name := actName(id)
	script := assign("d", runDir+"/acts/"+name, "dir", workDir(op), "usr", op.User) +
		runnerProgram + "act " + quoteAll(op.Argv...) + "\n"
	var env strings.Builder
	for _, pair := range op.Env {
		name, value, _ := strings.Cut(pair, "=")
		env.WriteString("export " + name + "=" + quote(value) + "\n")
	}
	words := []string{
		"detach", quote(name), quote(unitName(id)), quote(lineage),
		f.body([]byte(script)), f.body([]byte(env.String())), f.body(op.Stdin),
	}
	f.op(op.AnyExit, strings.Join(words, " "))
	f.acts = true
}

// Adopt implements host.Session.
func (s *Session) Adopt(ctx context.Context, id host.ActID) (host.Output, error) {
	if err := checkAct(id); err != nil {
		return host.Output{}, err
	}
	a, err := s.control(ctx, "ended "+quote(actName(id)))
	if err != nil {
		return host.Output{}, err
	}
	code, err := status(a)
	if err != nil {
		return host.Output{}, err
	}
	return output(a, code), nil
}

// Stop implements host.Session.
func (s *Session) Stop(ctx context.Context, id host.ActID) error {
	if err := checkAct(id); err != nil {
		return err
	}
	a, err := s.control(ctx, "halt "+quote(actName(id))+" "+quote(unitName(id)))
	return refused("stop the act", a, err)
}

func stepName(id host.ActID) string { return id.Run + "." + strconv.Itoa(id.Step) }

func actName(id host.ActID) string { return stepName(id) + "." + strconv.Itoa(id.N) }

func unitName(id host.ActID) string { return "kplan-" + actName(id) + ".service" }

func parseAct(name string) (host.ActID, bool) {
	parts := strings.Split(name, ".")
	if len(parts) != 3 {
		return host.ActID{}, false
	}
	step, err1 := strconv.Atoi(parts[1])
	n, err2 := strconv.Atoi(parts[2])
	id := host.ActID{Run: parts[0], Step: step, N: n}
	if err1 != nil || err2 != nil || checkAct(id) != nil || actName(id) != name {
		return host.ActID{}, false
	}
	return id, true
}

func checkAct(id host.ActID) error {
	if !plainWord(id.Run) || id.Step < 0 || id.N < 0 {
		return fmt.Errorf("%q is no name of an act; this is a bug in kplan", actName(id))
	}
	return nil
}
