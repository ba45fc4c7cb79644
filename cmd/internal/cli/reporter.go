package cli

import (
	"os"

	"github.com/kplan/kplan/cmd/internal/view"
	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/plans"
)

// reporter shows a run while it goes on: progress to the user, the stream to
// standard output or a file, and a tally for the report.
type reporter struct {
	app      *app
	progress view.Progress
	tally    view.Tally
	file     *os.File // of --json-into
}

// jsonFlags are the flags of commands that write the stream.
type jsonFlags struct {
	json *bool
	into *string
}

func defineJSON(f *flags) jsonFlags {
	return jsonFlags{
		json: f.Bool("json", "write what happens as JSON, one message a line, instead of text"),
		into: f.String("json-into", "FILE", "write the same JSON to FILE, beside the text"),
	}
}

// report begins to show a run. Close the reporter.
func (a *app) report(j jsonFlags) (*reporter, error) {
	r := &reporter{app: a}
	mode := a.common.progress
	if j.json != nil && *j.json {
		a.streams = append(a.streams, a.view.ResultStream(Version))
		a.quiet = true
		if mode == view.ProgressAuto {
			mode = view.ProgressQuiet
		}
	}
	if j.into != nil && *j.into != "" {
		file, err := os.OpenFile(a.path(*j.into), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return nil, problem("The file "+*j.into+" cannot be written", err.Error()+".")
		}
		r.file = file
		a.streams = append(a.streams, a.view.Stream(file, Version))
	}
	r.progress = a.view.Progress(mode, a.common.logLevel, a.env.Environ)
	return r, nil
}

func (r *reporter) event(e event.Event) {
	r.progress.Event(e)
	r.tally.Event(e)
	for _, s := range r.app.streams {
		s.Event(e)
	}
}

// run names the run in the streams.
func (r *reporter) run(id string, steps int) {
	r.progress.Expect(steps)
	for _, s := range r.app.streams {
		s.Run(id)
	}
}

// plan shows a plan.
func (r *reporter) plan(p *plans.Plan, offline bool) {
	r.progress.Close()
	if !r.app.quiet {
		r.app.view.Plan(p, offline)
	}
	for _, s := range r.app.streams {
		s.Plan(p)
	}
}

// stopping tells that the run is being finished.
func (r *reporter) stopping() {
	r.progress.Stopping()
	for _, s := range r.app.streams {
		s.Stopping()
	}
}

// close ends what is shown. Its error is that of the first stream that did not
// take all.
func (r *reporter) close() error {
	r.progress.Close()
	var first error
	for _, s := range r.app.streams {
		if err := s.Failed(); err != nil && first == nil {
			first = problem("The JSON stream is incomplete", "Not all of it could be written: "+err.Error()+".")
		}
	}
	if r.file != nil {
		if err := r.file.Close(); err != nil && first == nil {
			first = problem("The JSON stream is incomplete", "Not all of it could be written: "+err.Error()+".")
		}
	}
	return first
}

// closed ends what is shown and returns the exit code of that.
func (a *app) closed(r *reporter) int {
	if err := r.close(); err != nil {
		return a.fail(err)
	}
	return 0
}
