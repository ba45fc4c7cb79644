package cli

import (
	"context"
	"fmt"
	"strings"
)

func completionCommand() command {
	return command{
		name: "completion", args: "bash|zsh", min: 1, max: 1, short: "write a completion script for a shell",
		examples: []string{"source <(kplan completion bash)", "kplan completion zsh > \"${fpath[1]}/_kplan\""},
		define: func(*flags) func(context.Context, *app, []string) int {
			return func(_ context.Context, a *app, args []string) int {
				switch args[0] {
				case "bash":
					a.view.Script(bashCompletion())
				case "zsh":
					a.view.Script("#compdef kplan\nautoload -U +X bashcompinit && bashcompinit\n" + bashCompletion())
				default:
					return a.fail(problem("There is no completion for "+args[0], "Completions are for bash and zsh."))
				}
				return 0
			}
		},
	}
}

// bashCompletion completes commands by their words, then the flags of the
// command and file names.
func bashCompletion() string {
	var b strings.Builder
	b.WriteString("# Completion of kplan for bash.\n_kplan() {\n")
	b.WriteString("  local cur=\"${COMP_WORDS[COMP_CWORD]}\" words=\"\" w flags=\"\"\n")
	b.WriteString("  for w in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n")
	b.WriteString("    case \"$w\" in -*) ;; *) words=\"$words $w\" ;; esac\n  done\n")
	b.WriteString("  case \"${words# }\" in\n")
	var first []string
	groups := map[string][]string{}
	var order []string
	for _, c := range commands() {
		head, sub, two := strings.Cut(c.name, " ")
		if len(first) == 0 || first[len(first)-1] != head {
			first = append(first, head)
		}
		if two {
			if groups[head] == nil {
				order = append(order, head)
			}
			groups[head] = append(groups[head], sub)
		}
		f := newFlags("")
		(&common{}).define(f)
		c.define(f)
		var names []string
		for _, d := range f.docs {
			names = append(names, "--"+d.name)
		}
		fmt.Fprintf(&b, "    %q*) flags=%q ;;\n", c.name, strings.Join(names, " "))
	}
	for _, g := range order {
		fmt.Fprintf(&b, "    %q) COMPREPLY=($(compgen -W %q -- \"$cur\")); return ;;\n", g, strings.Join(groups[g], " "))
	}
	fmt.Fprintf(&b, "    \"\") COMPREPLY=($(compgen -W %q -- \"$cur\")); return ;;\n", strings.Join(first, " "))
	b.WriteString("  esac\n")
	b.WriteString("  case \"$cur\" in\n    -*) COMPREPLY=($(compgen -W \"$flags\" -- \"$cur\")) ;;\n")
	b.WriteString("    *) COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n  esac\n}\ncomplete -o filenames -F _kplan kplan\n")
	return b.String()
}
