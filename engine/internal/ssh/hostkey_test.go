package ssh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/kplan/kplan/test/needs"
	"github.com/kplan/kplan/test/wire/sshd"
)

// What a known_hosts file says about the key that web.example.com, or another
// host, shows.
func TestVerify(t *testing.T) {
	shown, other, authority := signer(t).PublicKey(), signer(t).PublicKey(), signer(t)
	cert := func(kind uint32, principals ...string) ssh.PublicKey {
		pub, _, _, _, err := ssh.ParseAuthorizedKey(certificate(t, shown, authority, kind, principals...))
		if err != nil {
			t.Fatal(err)
		}
		return pub
	}
	k, o, a := AuthorizedKey(shown), AuthorizedKey(other), AuthorizedKey(authority.PublicKey())
	hashed := func(name string) string { return knownhosts.HashHostname(name) + " " }
	long := "web.example.com ssh-ed25519 " + strings.Repeat("A", 2<<20)
	for name, test := range map[string]struct {
		lines []string
		host  string // web.example.com unless given
		port  int
		key   ssh.PublicKey // shown unless given
		want  Trust         // "": trusted
		text  string        // part of the error
	}{
		"recorded":                  {lines: []string{"web.example.com " + k}},
		"case":                      {lines: []string{"Web.Example.Com " + k}, host: "WEB.example.com"},
		"comment":                   {lines: []string{"# x", "", "web.example.com " + k + " root@web"}},
		"one of several":            {lines: []string{"db,web.example.com,10.0.0.1 " + k}},
		"second line":               {lines: []string{"web.example.com " + o, "web.example.com " + k}},
		"tab":                       {lines: []string{"web.example.com\t" + strings.Replace(k, " ", "\t", 1)}},
		"CRLF":                      {lines: []string{"db " + o + "\r", "web.example.com " + k + "\r"}},
		"byte order mark":           {lines: []string{"\uFEFFweb.example.com " + k}},
		"other port":                {lines: []string{"[web.example.com]:2222 " + k}, port: 2222},
		"hashed":                    {lines: []string{hashed("web.example.com") + k}},
		"hashed with port":          {lines: []string{hashed("[web.example.com]:2222") + k}, port: 2222},
		"domain":                    {lines: []string{"*.example.com " + k}},
		"one letter":                {lines: []string{"we?.example.com " + k}},
		"IPv6":                      {lines: []string{"2001:db8::1 " + k}, host: "2001:db8::1"},
		"IPv6 with port":            {lines: []string{"[2001:db8::1]:2222 " + k}, host: "2001:db8::1", port: 2222},
		"network":                   {lines: []string{"10.0.2.* " + k}, host: "10.0.2.15"},
		"bad base64 beside":         {lines: []string{"web.example.com ssh-ed25519 ???", "web.example.com " + k}},
		"unknown marker beside":     {lines: []string{"@what web.example.com " + o, "web.example.com " + k}},
		"NUL beside":                {lines: []string{"db\x00 " + o, "web.example.com " + k}},
		"long line beside":          {lines: []string{long, "web.example.com " + k}},
		"binary beside":             {lines: []string{"\x00\xff\xfe\x01", "web.example.com " + k}},
		"short line beside":         {lines: []string{"web.example.com", "web.example.com " + k}},
		"authority":                 {lines: []string{"@cert-authority *.example.com " + a}, key: cert(ssh.HostCert, "web.example.com")},
		"authority and key":         {lines: []string{"web.example.com " + k, "@cert-authority web.example.com " + a}},
		"revoked other":             {lines: []string{"@revoked * " + o, "web.example.com " + k}},
		"nothing":                   {want: Unknown, text: "is not known: it showed ssh-ed25519 SHA256:"},
		"other host":                {lines: []string{"db.example.com " + k}, want: Unknown},
		"part of the name":          {lines: []string{"web.example.co " + k, "eb.example.com " + k}, want: Unknown},
		"port not recorded":         {lines: []string{"web.example.com " + k}, port: 2222, want: Unknown},
		"port too much":             {lines: []string{"[web.example.com]:2222 " + k}, want: Unknown},
		"negated":                   {lines: []string{"*.example.com,!web.example.com " + k}, want: Unknown},
		"negated alone":             {lines: []string{"!db.example.com " + k}, want: Unknown},
		"hashed other":              {lines: []string{hashed("db.example.com") + k}, want: Unknown},
		"changed":                   {lines: []string{"web.example.com " + o}, want: Changed, text: "recorded is ssh-ed25519 " + Fingerprint(other)},
		"changed, hashed":           {lines: []string{hashed("web.example.com") + o}, want: Changed},
		"revoked":                   {lines: []string{"@revoked * " + k, "web.example.com " + k}, want: Revoked, text: "known_hosts:1)"},
		"revoked after":             {lines: []string{"web.example.com " + k, "@revoked web.example.com " + k}, want: Revoked},
		"bad base64 only":           {lines: []string{"web.example.com ssh-ed25519 ???"}, want: Unknown, text: "known_hosts:1 cannot be used: its key is no base64"},
		"key of another type":       {lines: []string{"web.example.com ssh-rsa " + strings.Fields(k)[1]}, want: Unknown, text: "its key is of type ssh-ed25519, and not ssh-rsa"},
		"every host":                {lines: []string{"* " + k}, want: Unknown, text: "the pattern * stands for every host"},
		"every host and port":       {lines: []string{"[*]:2222 " + k}, port: 2222, want: Unknown, text: "stands for every host"},
		"every host in a list":      {lines: []string{"db,*.* " + k}, want: Unknown, text: "stands for every host"},
		"every authority":           {lines: []string{"@cert-authority * " + a}, key: cert(ssh.HostCert, "web.example.com"), want: Unknown, text: "stands for every host"},
		"authority of others":       {lines: []string{"@cert-authority *.example.org " + a}, key: cert(ssh.HostCert, "web.example.com"), want: Unknown},
		"certificate of others":     {lines: []string{"@cert-authority *.example.com " + a}, key: cert(ssh.HostCert, "db.example.com"), want: Unknown, text: "its certificate is not accepted"},
		"certificate for users":     {lines: []string{"@cert-authority *.example.com " + a}, key: cert(ssh.UserCert, "web.example.com"), want: Unknown},
		"authority revoked":         {lines: []string{"@cert-authority *.example.com " + a, "@revoked * " + a}, key: cert(ssh.HostCert, "web.example.com"), want: Revoked},
		"certified key revoked":     {lines: []string{"@cert-authority *.example.com " + a, "@revoked * " + k}, key: cert(ssh.HostCert, "web.example.com"), want: Revoked},
		"authority's key as a host": {lines: []string{"@cert-authority web.example.com " + k}, want: Unknown},
		"two markers":               {lines: []string{"@cert-authority @revoked web.example.com " + a}, want: Unknown},
		"RSA of 1024 bits":          {lines: []string{"web.example.com " + AuthorizedKey(weakKey(t))}, key: weakKey(t), want: Weak, text: "an RSA key of 1024 bits; 2048 to 8192 are accepted"},
		"RSA of 2048 bits":          {lines: []string{"web.example.com " + AuthorizedKey(rsaSigner(t, 2048).PublicKey())}, key: rsaSigner(t, 2048).PublicKey()},
	} {
		t.Run(name, func(t *testing.T) {
			host := test.host
			if host == "" {
				host = "web.example.com"
			}
			e := Endpoint{Host: host, Port: test.port, KnownHosts: known(t, test.lines...)}
			v, err := e.verifier()
			if err != nil {
				t.Fatal(err)
			}
			key := test.key
			if key == nil {
				key = shown
			}
			err = v.check(key)
			var h *HostKeyError
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if !errors.As(err, &h) || h.Trust != test.want || !strings.Contains(err.Error(), test.text) {
				t.Fatalf("got %v, want %s %q", err, test.want, test.text)
			}
			if h.Got != Fingerprint(key) || h.File == "" {
				t.Errorf("%+v", h)
			}
			if Temporary(err) {
				t.Error("temporary")
			}
		})
	}
}

// weakKey is a key of 1024 bits that anybody could have made.
func weakKey(t testing.TB) ssh.PublicKey {
	t.Helper()
	const line = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQD"
	modulus := bytes.Repeat([]byte{0xc5}, 128)
	blob := ssh.Marshal(struct {
		Name string
		E, N []byte
	}{"ssh-rsa", []byte{1, 0, 1}, append([]byte{0}, modulus...)})
	key, err := ssh.ParsePublicKey(blob)
	if err != nil || !strings.HasPrefix(AuthorizedKey(key), line[:30]) {
		t.Fatalf("%v", err)
	}
	return key
}

func TestPinned(t *testing.T) {
	shown, other := signer(t).PublicKey(), signer(t).PublicKey()
	e := Endpoint{Host: "web", HostKey: AuthorizedKey(shown) + " comment"}
	v, err := e.verifier()
	if err != nil {
		t.Fatal(err)
	}
	if err := v.check(shown); err != nil {
		t.Error(err)
	}
	var h *HostKeyError
	if err := v.check(other); !errors.As(err, &h) || h.Trust != Changed || h.Want[0] != "ssh-ed25519 "+Fingerprint(shown) {
		t.Errorf("%v", err)
	}
	e.KnownHosts = known(t, "@revoked * "+AuthorizedKey(shown))
	if v, err = e.verifier(); err != nil {
		t.Fatal(err)
	}
	if err := v.check(shown); !errors.As(err, &h) || h.Trust != Revoked {
		t.Errorf("%v", err)
	}
	e.HostKey = "ssh-ed25519"
	if _, err := e.verifier(); err == nil {
		t.Error("half a key was taken")
	}
}

// Where the key is not the right one, nothing of ours is shown to the machine.
func TestNoAuthenticationWithoutTrust(t *testing.T) {
	key, pub := keyPair(t)
	s := start(t, sshd.Options{AuthorizedKeys: []ssh.PublicKey{pub}, Password: "pw"})
	e := endpoint(t, s, key)
	e.Password = "pw"
	e.KnownHosts = known(t, knownhosts.Line([]string{e.Address()}, signer(t).PublicKey()))
	_, err := Dial(t.Context(), e, nil)
	var h *HostKeyError
	if !errors.As(err, &h) || h.Trust != Changed || h.Got != Fingerprint(s.HostKeys()[0]) || len(h.Want) != 1 {
		t.Errorf("%v", err)
	}
	if n := s.Attempts(); n != 0 {
		t.Errorf("%d credentials were shown", n)
	}
}

// A machine with several keys shows the one that is recorded, whichever it is.
func TestRecordedKindComesFirst(t *testing.T) {
	key, pub := keyPair(t)
	ed, rsa := signer(t), rsaSigner(t, 2048)
	s := start(t, sshd.Options{AuthorizedKeys: []ssh.PublicKey{pub}, HostKeys: []ssh.Signer{ed, rsa}})
	for _, k := range []ssh.Signer{ed, rsa} {
		e := endpoint(t, s, key)
		e.KnownHosts = known(t, knownhosts.Line([]string{e.Address()}, k.PublicKey()))
		c := dialed(t, e, nil)
		if Fingerprint(c.HostKey()) != Fingerprint(k.PublicKey()) {
			t.Errorf("verified by %s", c.HostKey().Type())
		}
		e.KnownHosts, e.HostKey = nil, AuthorizedKey(k.PublicKey())
		dialed(t, e, nil)
	}
	// Another kind of key than the recorded is a changed key.
	e := endpoint(t, s, key)
	e.KnownHosts = known(t, knownhosts.Line([]string{e.Address()}, mustPublic(t)))
	var h *HostKeyError
	if _, err := Dial(t.Context(), e, nil); !errors.As(err, &h) || h.Trust != Changed {
		t.Errorf("%v", err)
	}
}

func mustPublic(t testing.TB) ssh.PublicKey {
	_, pub := keyPair(t)
	return pub
}

func TestSHA1Refused(t *testing.T) {
	old, err := ssh.NewSignerWithAlgorithms(rsaSigner(t, 2048).(ssh.AlgorithmSigner), []string{ssh.KeyAlgoRSA})
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, sshd.Options{HostKeys: []ssh.Signer{old}})
	_, err = Dial(t.Context(), endpoint(t, s, mustKey(t)), nil)
	if err == nil || !strings.Contains(err.Error(), "ssh-rsa with SHA-1") || Temporary(err) {
		t.Errorf("%v", err)
	}
}

func TestScanAndAppend(t *testing.T) {
	ed, rsa := signer(t), rsaSigner(t, 2048)
	key, pub := keyPair(t)
	s := start(t, sshd.Options{AuthorizedKeys: []ssh.PublicKey{pub}, HostKeys: []ssh.Signer{ed, rsa}})
	e := endpoint(t, s, key)
	keys, err := Scan(t.Context(), e, nil)
	if err != nil || len(keys) != 2 || s.Attempts() != 0 {
		t.Fatalf("%v, %v, %d credentials shown", keys, err, s.Attempts())
	}
	var lines []string
	for _, k := range keys {
		lines = append(lines, AuthorizedKey(k))
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "new", "known_hosts")
	if err := AppendKnownHosts(file, e, lines); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if e.KnownHosts, err = LoadKnownHosts(file, filepath.Join(dir, "absent")); err != nil {
		t.Fatal(err)
	}
	dialed(t, e, nil)

	// What was there stays, byte for byte, and nothing comes twice.
	const before = "\uFEFF# mine\r\nweb ssh-ed25519 ???\n\x00no line end"
	link := filepath.Join(dir, "link")
	file = filepath.Join(dir, "old")
	if err := errors.Join(os.WriteFile(file, []byte(before), 0o644), os.Symlink(file, link)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := AppendKnownHosts(link, e, lines); err != nil {
			t.Fatal(err)
		}
	}
	after, err := os.ReadFile(file)
	info, err2 := os.Lstat(link)
	if err != nil || err2 != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Fatalf("%v, %v, %v", err, err2, info)
	}
	want := before + "\n" + knownhosts.Line([]string{e.Address()}, keys[0]) + "\n" + knownhosts.Line([]string{e.Address()}, keys[1]) + "\n"
	if string(after) != want {
		t.Errorf("%q, want %q", after, want)
	}
	if err := AppendKnownHosts(file, e, []string{"rubbish"}); err == nil {
		t.Error("rubbish was added")
	}
}

// Which lines are about which host, as ssh-keygen(1) -F sees it.
func TestMatchesAsOpenSSHDoes(t *testing.T) {
	keygen := needs.Program(t, "ssh-keygen")
	key := AuthorizedKey(signer(t).PublicKey())
	patterns := []string{
		"web", "WEB", "web,db", "db,web", "we?", "w*", "*b", "*e*", "w**b", "?", "web.example.com", "*.example.com",
		"*.example.com,!web.example.com", "!web", "!db,web", "[web]:2222", "[web]:22", "[w*]:2222", "[web]:*", "[*.example.com]:2222",
		"10.0.2.15", "10.0.2.*", "10.0.?.15", "2001:db8::1", "2001:db8::*", "[2001:db8::1]:2222", "web,", ",web", "wéb", "we[b]", "web:2222",
	}
	hosts := []string{"web", "db", "web.example.com", "example.com", "[web]:2222", "[web.example.com]:2222", "10.0.2.15", "10.0.21.15", "2001:db8::1", "[2001:db8::1]:2222", "eb", "w"}
	compared := 0
	for _, p := range patterns {
		file := filepath.Join(t.TempDir(), "known_hosts")
		if err := os.WriteFile(file, []byte(p+" "+key+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		k, err := LoadKnownHosts(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range hosts {
			ours := len(k.lines) == 1 && k.lines[0].matches(h)
			out, err := exec.CommandContext(context.Background(), keygen, "-F", h, "-f", file).CombinedOutput()
			theirs := err == nil && strings.Contains(string(out), "found: line")
			compared++
			if ours && !theirs {
				t.Errorf("%q is about %q, but not for OpenSSH", p, h)
			}
			if theirs && !ours && len(k.bad) == 0 {
				t.Errorf("%q is about %q only for OpenSSH", p, h)
			}
		}
	}
	t.Logf("%d pairs compared", compared)
}

// Whatever stands in a file, it is read line by line: a good line in it counts.
func FuzzKnownHosts(f *testing.F) {
	shown := signer(f).PublicKey()
	line := "web.example.com " + AuthorizedKey(shown)
	for _, seed := range []string{"", "* ssh-ed25519 AAAA", "@cert-authority", "|1|a|b ssh-rsa AAAA", "\uFEFF", "\x00", "[a ssh-rsa A", "! x y", ", a b", "@revoked", "web.example.com " + AuthorizedKey(signer(f).PublicKey())} {
		f.Add([]byte(seed), []byte(seed))
	}
	f.Fuzz(func(t *testing.T, before, after []byte) {
		k := &KnownHosts{files: []string{"f"}}
		k.parse("f", fmt.Appendf(nil, "%s\n%s\n%s", before, line, after))
		v := &verifier{address: "web.example.com:22", name: "web.example.com", known: k}
		if err := v.check(shown); err != nil && k.revoked(shown) == nil {
			t.Errorf("%v", err)
		}
		_ = v.check(weakKey(t))
		_ = v.algorithms()
		for _, l := range k.lines {
			if l.hosts == "*" && l.marker != markerRevoked {
				t.Error("a line for every host was taken")
			}
		}
	})
}
