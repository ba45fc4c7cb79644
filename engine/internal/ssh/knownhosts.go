package ssh

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the format's, not ours
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"
)

const (
	markerAuthority = "@cert-authority"
	markerRevoked   = "@revoked"

	lineLimit = 64 << 10
	fileLimit = 64 << 20
)

// KnownHosts is what known_hosts files record, sshd(8) "SSH_KNOWN_HOSTS FILE
// FORMAT". It reads line by line: one that cannot be used is left out, and
// told where no other line decides. (The readers in golang.org/x/crypto and
// skeema/knownhosts refuse a whole file for one such line, take files only, and
// let the key of a @cert-authority pass as a host's own.)
type KnownHosts struct {
	files []string
	lines []*knownLine
	bad   []string // why lines were left out
}

// knownLine is one line of a file.
type knownLine struct {
	file   string
	number int
	marker string // "", @cert-authority or @revoked
	hosts  string // patterns in lower case, or the hash of one name
	key    ssh.PublicKey
}

// LoadKnownHosts reads files; one that is absent counts as empty. New host
// keys are expected in the first.
func LoadKnownHosts(files ...string) (*KnownHosts, error) {
	k := &KnownHosts{files: files}
	for _, name := range files {
		info, err := os.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && info.Size() > fileLimit {
			err = errors.New("it is too large to be a list of host keys")
		}
		var data []byte
		if err == nil {
			data, err = os.ReadFile(name)
		}
		if err != nil {
			return nil, fmt.Errorf("known hosts: %w", err)
		}
		k.parse(name, data)
	}
	return k, nil
}

func (k *KnownHosts) parse(name string, data []byte) {
	data = bytes.TrimPrefix(data, []byte("\uFEFF")) // a byte order mark, as some editors write
	number := 0
	for line := range bytes.Lines(data) {
		number++
		l, err := parseLine(line)
		if err != nil {
			k.bad = append(k.bad, fmt.Sprintf("%s:%d cannot be used: %v", name, number, err))
		} else if l != nil {
			l.file, l.number = name, number
			k.lines = append(k.lines, l)
		}
	}
}

// parseLine returns nil for a line that holds no entry.
func parseLine(line []byte) (*knownLine, error) {
	if len(line) > lineLimit {
		return nil, fmt.Errorf("it is longer than %d bytes", lineLimit)
	}
	if bytes.IndexByte(line, 0) >= 0 {
		return nil, errors.New("it holds a NUL")
	}
	fields := strings.Fields(string(line))
	if len(fields) == 0 || fields[0][0] == '#' {
		return nil, nil
	}
	l := &knownLine{}
	if fields[0][0] == '@' {
		if l.marker = fields[0]; l.marker != markerAuthority && l.marker != markerRevoked {
			return nil, fmt.Errorf("its marker %q is not known", clean(l.marker))
		}
		fields = fields[1:]
	}
	if len(fields) < 3 {
		return nil, errors.New("it is not hosts, type and key")
	}
	l.hosts = fields[0]
	if err := l.checkHosts(); err != nil {
		return nil, err
	}
	blob, err := base64.StdEncoding.DecodeString(fields[2])
	if err != nil {
		return nil, errors.New("its key is no base64")
	}
	if l.key, err = ssh.ParsePublicKey(blob); err != nil {
		return nil, errors.New("its key cannot be read")
	}
	if l.key.Type() != fields[1] {
		return nil, fmt.Errorf("its key is of type %s, and not %s", l.key.Type(), clean(fields[1]))
	}
	return l, nil
}

func (l *knownLine) checkHosts() error {
	if l.hosts[0] == '|' {
		_, _, err := l.hash()
		return err
	}
	l.hosts = strings.ToLower(l.hosts)
	if l.marker == markerRevoked {
		return nil
	}
	for p := range strings.SplitSeq(l.hosts, ",") {
		// One key for every host is no verification.
		if p != "" && strings.Trim(p, "*?.:[]0123456789") == "" && strings.Contains(p, "*") && !strings.ContainsAny(hostPart(p), "0123456789") {
			return fmt.Errorf("the pattern %s stands for every host: name the hosts, or their domain as in *.example.com", p)
		}
	}
	return nil
}

// hostPart is a pattern without its port.
func hostPart(p string) string {
	if inner, ok := strings.CutPrefix(p, "["); ok {
		inner, _, _ = strings.Cut(inner, "]")
		return inner
	}
	return p
}

// hash reads |1|salt|hash, ssh-keygen(1) -H.
func (l *knownLine) hash() (salt, sum []byte, err error) {
	parts := strings.Split(l.hosts, "|")
	if len(parts) != 4 || parts[1] != "1" {
		return nil, nil, errors.New("its hashed host is not of the form |1|salt|hash")
	}
	salt, err1 := base64.StdEncoding.DecodeString(parts[2])
	sum, err2 := base64.StdEncoding.DecodeString(parts[3])
	if err1 != nil || err2 != nil || len(sum) != sha1.Size {
		return nil, nil, errors.New("its hashed host is no base64")
	}
	return salt, sum, nil
}

// matches tells whether the line is about name: host, or [host]:port where the
// port is not 22. As in ssh(1), a pattern without a port is not about other
// ports.
func (l *knownLine) matches(name string) bool {
	if l.hosts[0] == '|' {
		salt, sum, err := l.hash()
		if err != nil {
			return false
		}
		mac := hmac.New(sha1.New, salt)
		mac.Write([]byte(name))
		return hmac.Equal(mac.Sum(nil), sum)
	}
	matched := false
	for p := range strings.SplitSeq(l.hosts, ",") {
		if rest, not := strings.CutPrefix(p, "!"); not {
			if wildcard(rest, name) {
				return false
			}
		} else if wildcard(p, name) {
			matched = true
		}
	}
	return matched
}

// wildcard matches * and ?, PATTERNS of ssh_config(5).
func wildcard(pattern, s string) bool {
	star, back := -1, 0
	p, i := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, back = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			back++
			p, i = star+1, back
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// revoked is the line that revokes key, or what it is made of: the key of a
// certificate, and its authority's. It counts for every host.
func (k *KnownHosts) revoked(key ssh.PublicKey) *knownLine {
	keys := []ssh.PublicKey{key}
	if cert, ok := key.(*ssh.Certificate); ok {
		keys = append(keys, cert.Key, cert.SignatureKey)
	}
	for _, l := range k.lines {
		if l.marker != markerRevoked {
			continue
		}
		for _, key := range keys {
			if bytes.Equal(l.key.Marshal(), key.Marshal()) {
				return l
			}
		}
	}
	return nil
}

// file is where a new key belongs.
func (k *KnownHosts) file() string {
	if len(k.files) == 0 {
		return ""
	}
	return k.files[0]
}

// complaint names the lines that were left out, the first few.
func (k *KnownHosts) complaint() string {
	const some = 3
	if n := len(k.bad); n > some {
		return strings.Join(k.bad[:some], "; ") + fmt.Sprintf("; and %d more", n-some)
	}
	return strings.Join(k.bad, "; ")
}
