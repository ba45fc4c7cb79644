package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/kplan/kplan/modules/std"
)

func modulesListCommand() command {
	return command{
		name: "modules list", short: "list the modules that come with kplan",
		examples: []string{"kplan modules list"},
		define: func(*flags) func(context.Context, *app, []string) int {
			return func(_ context.Context, a *app, _ []string) int {
				for _, name := range stdModules() {
					a.view.Result(name)
				}
				return 0
			}
		},
	}
}

func modulesShowCommand() command {
	return command{
		name: "modules show", args: "NAME", min: 1, max: 1, short: "print a module that comes with kplan",
		examples: []string{"kplan modules show kplan/kubernetes"},
		define: func(*flags) func(context.Context, *app, []string) int {
			return func(_ context.Context, a *app, args []string) int {
				files, err := stdModule(args[0])
				if err != nil {
					return a.fail(err)
				}
				for i, f := range files {
					if i > 0 {
						a.view.Result("")
					}
					a.view.Result("# " + f.path + "\n\n" + strings.TrimSuffix(f.content, "\n"))
				}
				return 0
			}
		},
	}
}

func modulesExportCommand() command {
	return command{
		name: "modules export", args: "NAME DIR", min: 2, max: 2, short: "copy a module that comes with kplan into a directory of your own",
		long:     "The directory must not be there yet. A spec then calls the copy by its path.",
		examples: []string{"kplan modules export kplan/kubernetes kubernetes"},
		define: func(*flags) func(context.Context, *app, []string) int {
			return func(_ context.Context, a *app, args []string) int {
				files, err := stdModule(args[0])
				if err != nil {
					return a.fail(err)
				}
				dir := a.path(args[1])
				if err := export(files, dir, args[1]); err != nil {
					return a.fail(err)
				}
				if rel, err := filepath.Rel(a.dir, dir); err == nil && filepath.IsLocal(rel) {
					a.say(fmt.Sprintf("Wrote %s. Call it with\n\n    source = \"./%s\"", args[1], filepath.ToSlash(rel)))
				} else {
					a.say(fmt.Sprintf("Wrote %s. A spec calls a module only below its own directory, so that it has to be copied there to be used.", args[1]))
				}
				return 0
			}
		},
	}
}

// stdModules are the names of the modules that come with kplan, sorted.
func stdModules() []string {
	entries, err := fs.ReadDir(std.Modules, "kplan")
	if err != nil { // they are in the program
		panic("cli: " + err.Error())
	}
	var names []string
	for _, e := range entries {
		names = append(names, "kplan/"+e.Name())
	}
	return names
}

// stdFile is a file of a module that comes with kplan.
type stdFile struct{ path, content string }

// stdModule is the files of a module, by name.
func stdModule(name string) ([]stdFile, error) {
	all := stdModules()
	entries, err := fs.ReadDir(std.Modules, path.Clean(name))
	if err != nil || !strings.HasPrefix(name, "kplan/") {
		err := unknown("module", name, all)
		if near := nearest("kplan/"+name, all); near != "" {
			err = fmt.Errorf("there is no module %q; did you mean %q?", name, near)
		}
		return nil, problem(err.Error(), "kplan modules list shows all of them.")
	}
	var files []stdFile
	for _, e := range entries {
		p := path.Join(name, e.Name())
		data, err := fs.ReadFile(std.Modules, p)
		if err != nil {
			return nil, err
		}
		files = append(files, stdFile{p, string(data)})
	}
	return files, nil
}

// export writes files into a new directory, which messages call shown.
func export(files []stdFile, dir, shown string) error {
	err := os.Mkdir(dir, 0o777)
	for _, f := range files {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, path.Base(f.path)), []byte(f.content), 0o666)
		}
	}
	var why *fs.PathError
	switch {
	case errors.Is(err, fs.ErrExist):
		return problem("The path "+shown+" is there already", "Name a directory that is not.")
	case errors.Is(err, fs.ErrNotExist):
		parent, name := filepath.Split(filepath.Clean(shown))
		return problem(fmt.Sprintf("There is no directory %s to make %s in", filepath.Clean(parent), name), "Make it first, or name another one.")
	case errors.As(err, &why):
		return problem("The path "+shown+" cannot be written: "+why.Err.Error(), "")
	}
	return err
}
