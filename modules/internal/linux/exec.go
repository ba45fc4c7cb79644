package linux

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/script"
	"github.com/kplan/kplan/modules/resource"
)

var execAct = resource.DefineAct[Exec]("exec")

// Exec runs a command once: the way out where no resource type fits.
//
// The command is a string for /bin/sh, or a list of a program and its
// arguments, which no shell interprets. It runs when kplan has not yet run it
// with this command, stdin, environment and triggers; with creates, it runs
// also whenever that path is missing, and not where the path was there before.
// Guards are shell code that runs in apply only, directly before the command,
// as the same user in the same directory: it is not needed where unless
// succeeds or onlyif fails. A command that may be interrupted should be safe to
// repeat. Removing the block forgets it; nothing is undone.
//
//	resource "exec" "registry_certificate" {
//	  on      = role.control-plane
//	  command = "openssl req -x509 -newkey rsa:4096 -nodes -subj /CN=registry -keyout /etc/ssl/registry.key -out /etc/ssl/registry.crt"
//	  creates = "/etc/ssl/registry.crt"
//	}
type Exec struct {
	Name        string            `cty:"name" kplan:"id,default="`       // what the plan calls it; default: the resource's name
	Command     []string          `cty:"command" kplan:"required,shell"` // a string for /bin/sh, or a list
	Creates     *string           `cty:"creates"`                        // path that is there once it was done
	Unless      *string           `cty:"unless"`                         // shell code: not needed where it succeeds
	Onlyif      *string           `cty:"onlyif"`                         // shell code: not needed where it fails
	Triggers    map[string]string `cty:"triggers"`                       // run again when one of these changes
	Environment map[string]string `cty:"environment"`                    // beside PATH and LC_ALL=C
	Stdin       *string           `cty:"stdin"`                          // what the command reads
	Cwd         *string           `cty:"cwd"`                            // directory to run in; default: /
	User        *string           `cty:"user"`                           // who runs it; default: root
}

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Validate implements resource.Validator.
func (e Exec) Validate(unknown func(string) bool) error {
	if !unknown("command") && (len(e.Command) == 0 || e.Command[0] == "") {
		return &resource.FieldError{Field: "command", Msg: "The command is empty. Write a string for /bin/sh, or a list that begins with a program."}
	}
	if e.Creates != nil {
		if err := checkPath("creates", *e.Creates); err != nil {
			return err
		}
	}
	if e.Cwd != nil {
		if err := checkPath("cwd", *e.Cwd); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.Environment)) {
		if !variable.MatchString(name) {
			return &resource.FieldError{Field: "environment", Msg: fmt.Sprintf("%q is no name of a variable. Write letters, digits and underscores, and no digit first.", name)}
		}
	}
	return checkName("user", e.User)
}

// Inputs implements resource.Inputer: guards and surroundings do not make it
// due again.
func (e Exec) Inputs() []string { return []string{"command", "stdin", "environment", "triggers"} }

// Condition implements resource.Conditional. It does not quote the guards,
// which may hold what must not be shown.
func (e Exec) Condition() string {
	unless, onlyif := or("", e.Unless) != "", or("", e.Onlyif) != ""
	switch {
	case unless && onlyif:
		return "if onlyif succeeds and unless fails"
	case unless:
		return "if unless fails"
	case onlyif:
		return "if onlyif succeeds"
	}
	return ""
}

// Due makes one call.
func (e Exec) Due(ctx context.Context, h host.Host) (resource.Verdict, error) {
	if e.Creates == nil {
		return resource.DueByRecord, nil
	}
	res, err := h.Do(ctx, host.Query{Argv: []string{"test", "-e", *e.Creates}, AnyExit: true})
	switch {
	case err != nil:
		return "", err
	case res[0].Output.Code == 0:
		return resource.DoneBefore, nil
	}
	return resource.DueNow, nil
}

// Do makes one call, whose act is detached: guards and command are one act, so
// that nothing comes between them.
func (e Exec) Do(ctx context.Context, h host.Host) (resource.Outcome, error) {
	argv, env := e.Command, []string{}
	for _, name := range slices.Sorted(maps.Keys(e.Environment)) {
		env = append(env, name+"="+e.Environment[name])
	}
	text := ""
	if len(argv) == 3 && argv[0] == "/bin/sh" && argv[1] == "-c" {
		text, argv = argv[2], nil
	}
	guarded := e.Condition() != ""
	if guarded || argv == nil {
		env = append(env, "KPLAN_COMMAND="+text, "KPLAN_UNLESS="+or("", e.Unless), "KPLAN_ONLYIF="+or("", e.Onlyif))
		argv = append([]string{"/bin/sh", "-c", script.Exec, "kplan"}, argv...)
	}
	res, err := h.Do(ctx, host.Run{
		Argv: argv, Env: env, Stdin: []byte(or("", e.Stdin)), Dir: or("", e.Cwd), User: or("", e.User),
		AnyExit: true, Detached: true,
	})
	switch {
	case err != nil:
		return "", err
	case guarded && res[0].Output.Code == script.NotNeeded:
		return resource.NotNeeded, nil
	case res[0].Output.Code != 0:
		return "", &host.ExitError{Argv: e.Command, Output: res[0].Output}
	}
	return resource.Done, nil
}
