package conn

import (
	"errors"
	"strings"
	"testing"

	"github.com/kplan/kplan/modules/host"
)

// What a machine says of an operation is handed on as it is: who shows it looks
// for secrets in it, and finds no half of one, nor one without its tab.
func TestMessagesAreHandedOnWhole(t *testing.T) {
	secret := strings.Repeat("s3cret\t", 100) + "end"
	for name, c := range map[string]struct {
		said mark
		want string
	}{
		"one line":         {mark{data: []byte("cannot create /etc/x\n")}, "cannot create /etc/x"},
		"several":          {mark{data: []byte("first\nsecond\n")}, "second"},
		"a long one":       {mark{data: []byte("cannot create " + secret + "\n")}, "cannot create " + secret},
		"cut":              {mark{data: []byte("first\n" + secret[:20]), truncated: true}, "first"},
		"cut in the first": {mark{data: []byte(secret[:20]), truncated: true}, "status 1"},
		"no text":          {mark{data: []byte("no \xff text")}, "no \uFFFD text"},
		"nothing":          {mark{}, "status 1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := result(host.WriteFile{Path: "/etc/x"}, answer{out: mark{word: "1"}, err: c.said})
			var refused *host.OpError
			if !errors.As(err, &refused) || refused.Msg != c.want {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
