package hosttest

import (
	"errors"
	"strconv"
	"strings"

	"github.com/kplan/kplan/modules/host"
)

var shells = map[string]Command{"sh": sh, "bash": sh}

// sh knows the texts it was taught, and lists of simple commands joined by
// newline, ";", "&&" or "||", of words with quotes, $NAME and "> file" or
// ">> file". Anything else is unknown.
func sh(c *Call) host.Output {
	if len(c.Argv) < 3 || c.Argv[1] != "-c" {
		return c.Unknown()
	}
	if s := c.m.scripts[c.Argv[2]]; s != nil {
		return s(c)
	}
	tokens, err := scan(c.Argv[2], c.Env)
	if err != nil {
		return c.Unknown()
	}
	var out host.Output
	skip := false
	for len(tokens) > 0 {
		end := 0
		for end < len(tokens) && !tokens[end].joins {
			end++
		}
		if end > 0 && !skip {
			step, stop := c.simple(tokens[:end])
			out.Stdout = append(out.Stdout, step.Stdout...)
			out.Stderr = append(out.Stderr, step.Stderr...)
			out.Code = step.Code
			if stop || c.err != nil {
				return out
			}
		}
		if end == len(tokens) {
			break
		}
		switch tokens[end].text {
		case "&&":
			skip = out.Code != 0
		case "||":
			skip = out.Code == 0
		default:
			skip = false
		}
		tokens = tokens[end+1:]
	}
	return out
}

// simple runs one command; stop tells that it was exit.
func (c *Call) simple(tokens []token) (out host.Output, stop bool) {
	var argv []string
	var file, mode string
	for i := 0; i < len(tokens); i++ {
		if tokens[i].redirects {
			if i+1 == len(tokens) || tokens[i+1].redirects {
				return c.Unknown(), true
			}
			mode, file = tokens[i].text, tokens[i+1].text
			i++
			continue
		}
		argv = append(argv, tokens[i].text)
	}
	switch {
	case len(argv) == 0:
		return c.Unknown(), true
	case argv[0] == "exit" && len(argv) == 2:
		code, err := strconv.Atoi(argv[1])
		if err != nil {
			return c.Unknown(), true
		}
		return host.Output{Code: code}, true
	}
	out = c.Run(argv...)
	if file == "" || file == "/dev/null" {
		if file != "" {
			out.Stdout = nil
		}
		return out, false
	}
	text := string(out.Stdout)
	if mode == ">>" {
		old, _ := c.Content(file)
		text = old + text
	}
	if err := c.Write(file, text); err != nil {
		return fail(2, "sh: cannot create "+err.Error()), false
	}
	out.Stdout = nil
	return out, false
}

// token is a word, a joint of commands, or a redirection.
type token struct {
	text      string
	joins     bool
	redirects bool
}

var errNotSimple = errors.New("not a list of simple commands")

func scan(text string, env map[string]string) ([]token, error) {
	var tokens []token
	var word strings.Builder
	inWord := false
	flush := func() {
		if inWord {
			tokens = append(tokens, token{text: word.String()})
			word.Reset()
			inWord = false
		}
	}
	variable := func(i int) (value string, next int, err error) {
		j := i + 1
		for j < len(text) && (text[j] == '_' || 'A' <= text[j] && text[j] <= 'Z' || 'a' <= text[j] && text[j] <= 'z') {
			j++
		}
		if j == i+1 {
			return "", 0, errNotSimple
		}
		return env[text[i+1:j]], j, nil
	}
	for i := 0; i < len(text); i++ {
		switch ch := text[i]; {
		case ch == ' ' || ch == '\t':
			flush()
		case ch == '\n' || ch == ';':
			flush()
			tokens = append(tokens, token{text: ";", joins: true})
		case strings.HasPrefix(text[i:], "&&"), strings.HasPrefix(text[i:], "||"):
			flush()
			tokens = append(tokens, token{text: text[i : i+2], joins: true})
			i++
		case ch == '>':
			flush()
			op := ">"
			if strings.HasPrefix(text[i:], ">>") {
				op, i = ">>", i+1
			}
			tokens = append(tokens, token{text: op, redirects: true})
		case ch == '\'':
			end := strings.IndexByte(text[i+1:], '\'')
			if end < 0 {
				return nil, errNotSimple
			}
			word.WriteString(text[i+1 : i+1+end])
			inWord = true
			i += end + 1
		case ch == '"':
			inWord = true
			for i++; ; i++ {
				if i >= len(text) || text[i] == '`' || text[i] == '\\' {
					return nil, errNotSimple
				}
				if text[i] == '"' {
					break
				}
				if text[i] != '$' {
					word.WriteByte(text[i])
					continue
				}
				value, next, err := variable(i)
				if err != nil {
					return nil, err
				}
				word.WriteString(value)
				i = next - 1
			}
		case ch == '$':
			value, next, err := variable(i)
			if err != nil || strings.ContainsAny(value, " \t\n*?[") {
				return nil, errNotSimple
			}
			word.WriteString(value)
			inWord = inWord || value != ""
			i = next - 1
		case strings.IndexByte("&|<()`\\*?[{}!#~", ch) >= 0 && (ch != '[' || text[i:] != "[" && !strings.HasPrefix(text[i:], "[ ")):
			return nil, errNotSimple
		default:
			word.WriteByte(ch)
			inWord = true
		}
	}
	flush()
	return tokens, nil
}
