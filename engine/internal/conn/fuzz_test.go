package conn

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/test/needs"
)

// echo is a standing shell that gives words back: each line of input is a size
// and then so many bytes of script.
type echo struct {
	in  io.Writer
	out io.Reader
}

func startEcho(t testing.TB, sh string) echo {
	t.Helper()
	argv := strings.Fields(sh)
	cmd := exec.Command(argv[0], append(argv[1:], "-c", `while read -r n; do eval "$(head -c "$n"; echo "x=")"; done`)...)
	cmd.Env = []string{"LC_ALL=C", "PATH=" + searchPath}
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil || cmd.Start() != nil {
		t.Fatal("no shell")
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	return echo{in, out}
}

// FuzzQuote: what is quoted is given back by printf %s, in every shell.
func FuzzQuote(f *testing.F) {
	for _, s := range odd {
		f.Add(s)
	}
	f.Add("'\\''")
	f.Add(strings.Repeat("'", 300))
	var echoes []echo
	for name, argument := range map[string]string{"dash": "", "bash": " --posix"} { // busybox's head reads ahead
		echoes = append(echoes, startEcho(f, needs.Program(f, name)+argument))
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ReplaceAll(s, "\x00", "")
		const end = "\nthe end\n"
		script := "printf '%s\\nthe end\\n' " + quote(s) + "\n"
		for _, e := range echoes {
			if _, err := io.WriteString(e.in, strconv.Itoa(len(script))+"\n"+script); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, len(s)+len(end))
			if _, err := io.ReadFull(e.out, got); err != nil || string(got) != s+end {
				t.Fatalf("%q came back as %q, %v", s, got, err)
			}
		}
	})
}

// FuzzParser: data between markers comes out as it went in, however the stream
// is cut into pieces, and nothing that comes makes it fail in another way than
// by an error.
func FuzzParser(f *testing.F) {
	const n = "0123456789abcdef0123456789abcdef"
	for _, s := range []string{"", "\n", "\n\n", "a", "a\n", n, "\n" + n, "\n" + n + " 0 0\n", "\n" + n[:31], "0\n01\n012"} {
		f.Add([]byte(s), []byte("rest\n"), 3)
	}
	f.Fuzz(func(t *testing.T, data, rest []byte, piece int) {
		piece = max(1, piece%4096)
		feed := func(p *parser, b []byte) error {
			for len(b) > 0 {
				k := min(piece, len(b))
				if err := p.feed(b[:k]); err != nil {
					return err
				}
				b = b[k:]
			}
			return nil
		}
		var marks []mark
		p := newParser(n, func(m mark) { marks = append(marks, m) })
		p.needle = []byte("needle")
		_ = feed(p, append(bytes.Clone(data), rest...)) // whatever it is

		if bytes.Contains(append([]byte("\n"), data...), []byte("\n"+n+" ")) {
			return
		}
		marks = nil
		p = newParser(n, func(m mark) { marks = append(marks, m) })
		stream := "noise\n" + n + " begin 0\n" + string(data) + "\n" + n + " 0 7\n" + "\n" + n + " end 0\n"
		if err := feed(p, []byte(stream)); err != nil {
			t.Fatal(err)
		}
		if len(marks) != 3 || marks[1].word != "7" || !bytes.Equal(marks[1].data, data) || len(marks[2].data) != 0 {
			t.Fatalf("%q came back as %+v", data, marks)
		}
	})
}

// FuzzAnswers: the result of any answer is what the contract says or an error
// of one line. What such a line quotes of the machine is as the machine
// wrote it, control characters too: secrets are looked for in it first, and who
// shows it escapes it.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte("81a4:3:0:0:root:root\nabc"), []byte(""), "0")
	f.Add([]byte("4"), []byte("stat: x: No such file or directory"), "1")
	f.Add([]byte("4"), []byte("first\nstat: \x1b[2J\a\xff: No such file or directory\n"), "81")
	f.Fuzz(func(t *testing.T, out, errs []byte, word string) {
		a := answer{mark{word: word, data: out}, mark{word: word, data: errs}}
		for _, op := range allOps {
			_, err := result(op, a)
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("more than a line: %q", err)
			}
		}
		_, _ = contact(out, time.Time{}, time.Time{})
	})
}

var allOps = []host.Op{
	host.ReadFile{Path: "/x"},
	host.ReadFile{Path: "/x", List: true, Limit: 1},
	host.Query{Argv: []string{"x"}},
	host.WriteFile{Path: "/x"},
	host.MakeDir{Path: "/x"},
	host.Remove{Path: "/x"},
	host.Run{Argv: []string{"x"}, AnyExit: true},
}

// TestQuoteMany gives random words to every shell. KPLAN_QUOTES is how many;
// the default is for every day.
func TestQuoteMany(t *testing.T) {
	runs := 20000
	if n, err := strconv.Atoi(os.Getenv("KPLAN_QUOTES")); err == nil {
		runs = n
	}
	const seldom = "'\\\"$`!*?[]{}()<>|&;#~ \t\n\r%=-/abc01\x01\x7f\x80\x81\x82\x83\x84\x85\x86\x87\x88\xc3\xa9\xff"
	eachShell(t, func(t *testing.T, sh string) {
		rnd := rand.New(rand.NewPCG(1, uint64(len(sh))))
		for done := 0; done < runs; done += 1000 {
			var script, want bytes.Buffer
			for range 1000 {
				word := make([]byte, rnd.IntN(24))
				for i := range word {
					word[i] = seldom[rnd.IntN(len(seldom))]
					if rnd.IntN(4) == 0 {
						word[i] = byte(1 + rnd.IntN(255))
					}
				}
				script.WriteString("printf '%s\\0' " + quote(string(word)) + "\n")
				want.Write(append(word, 0))
			}
			argv := strings.Fields(sh)
			cmd := exec.Command(argv[0], append(argv[1:], "-c", `eval "$(cat)"`)...)
			cmd.Env = []string{"LC_ALL=C", "PATH=" + searchPath}
			cmd.Stdin = &script
			got, err := cmd.Output()
			if err != nil || !bytes.Equal(got, want.Bytes()) {
				a, b := bytes.Split(got, []byte{0}), bytes.Split(want.Bytes(), []byte{0})
				for i := range min(len(a), len(b)) {
					if !bytes.Equal(a[i], b[i]) {
						t.Fatalf("%q came back as %q", b[i], a[i])
					}
				}
				t.Fatalf("%v", err)
			}
		}
	})
}
