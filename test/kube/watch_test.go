package kube

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// watch sees what a run of kplan shows to others while it lasts: the command lines and environments of all processes, those of
// the machines too, and the files that it writes beside the spec, also those that it removes; and it sees the secrets.
type watch struct {
	s         *spec
	end       context.CancelFunc
	all       sync.WaitGroup
	processes map[string]bool // that are known
	shown     map[string]bool // commands and environments
	links     string          // a directory with a link to each file of the state
	tokens    string          // as they came to be, and went
}

// look is how long the watch looks away.
const look = 20 * time.Millisecond

func (s *spec) watch() *watch {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.ctx)
	w := &watch{s: s, end: cancel, processes: map[string]bool{}, shown: map[string]bool{}, links: s.path(".watch")}
	if err := os.MkdirAll(w.links, 0o700); err != nil {
		s.t.Fatal(err)
	}
	w.all.Go(func() {
		tick := time.NewTicker(look)
		defer tick.Stop()
		for {
			w.seeProcesses()
			w.seeFiles()
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	plane := s.plane
	w.all.Go(func() {
		// It ends with the context, which is no error.
		w.tokens, _ = plane.Exec(ctx, `
while :; do
	KUBECONFIG=/etc/kubernetes/admin.conf kubectl --namespace=kube-system get secrets --watch \
		--field-selector=type=bootstrap.kubernetes.io/token -o jsonpath='{.data.token-id}.{.data.token-secret}{"\n"}' 2>/dev/null
	sleep 0.1
done`)
	})
	return w
}

// seeProcesses looks at this host's, among which are those of its machines; at an environment once for each command of a process.
func (w *watch) seeProcesses() {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if e.Name()[0] > '9' {
			continue
		}
		dir := "/proc/" + e.Name()
		command, err := os.ReadFile(dir + "/cmdline")
		if key := e.Name() + " " + string(command); err == nil && !w.processes[key] { // else it is gone, or known
			w.processes[key] = true
			environment, _ := os.ReadFile(dir + "/environ")
			w.shown[spaced(command)+" "+spaced(environment)] = true
		}
	}
}

// spaced is a list of strings that end with a zero byte, in a line.
func spaced(list []byte) string { return string(bytes.ReplaceAll(list, []byte{0}, []byte{' '})) }

// seeFiles holds on to the files of the state.
func (w *watch) seeFiles() {
	dir := w.s.path(".kplan")
	_ = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				name := strings.ReplaceAll(strings.TrimPrefix(p, dir), "/", "_") + "." + info.ModTime().Format("150405.000000")
				_ = os.Link(p, filepath.Join(w.links, name))
			}
		}
		return nil // what is gone by now was not for long
	})
}

// keys are those that nobody may see, as they stand in files of the control plane: those that its members share, and the
// administrator's.
const keys = `
set -e
for name in ca sa front-proxy-ca etcd/ca; do cat /etc/kubernetes/pki/$name.key; done
admin=$(sed -n 's/^ *client-key-data: //p' /etc/kubernetes/admin.conf)
echo "$admin"
echo "$admin" | base64 -d`

var long = regexp.MustCompile(`[A-Za-z0-9+/=]{40,}`)

// secrets are the texts that are to be seen nowhere.
func (w *watch) secrets() (tokens, all []string) {
	w.s.t.Helper()
	for line := range strings.Lines(w.tokens) {
		_, encoded, _ := strings.Cut(strings.TrimSpace(line), ".")
		token, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || len(token) != 16 {
			w.s.t.Fatalf("no token: %q, %v", line, err)
		}
		if !slices.Contains(tokens, string(token)) {
			tokens = append(tokens, string(token))
			all = append(all, string(token), encoded)
		}
	}
	found := long.FindAllString(w.s.ssh(w.s.plane, "", keys), -1)
	if len(found) < 100 { // of five keys of 2048 bits, each of which has 24 full lines
		w.s.t.Fatalf("only %d lines of keys", len(found))
	}
	return tokens, append(all, found...)
}

// saw ends the watch and wants no secret in what it saw, nor in the texts. The run is to have made that many tokens at least.
func (w *watch) saw(minimum int, texts ...string) {
	w.s.t.Helper()
	w.seeFiles()
	w.end()
	w.all.Wait()
	tokens, secrets := w.secrets()
	if len(tokens) < minimum {
		w.s.t.Errorf("only %d tokens were seen, want %d", len(tokens), minimum)
	}
	for p := range w.shown {
		texts = append(texts, p)
	}
	for _, command := range []string{"kubeadm join --config /run/kplan/", "kubeadm token "} {
		if !slices.ContainsFunc(texts, func(seen string) bool { return strings.HasPrefix(seen, command) }) {
			w.s.t.Errorf("no process %q was seen", command)
		}
	}
	journals, joins := 0, "kubeadm_control_plane"
	if strings.Contains(w.s.text, "role.worker") {
		joins = "kubeadm_join"
	}
	isJoin := regexp.MustCompile(`"intent":\{"address":"[^"]*` + joins)
	for _, dir := range []string{w.links, w.s.path(".kplan")} {
		for _, text := range files(w, dir) {
			if isJoin.MatchString(text) {
				journals++
			}
			texts = append(texts, text)
		}
	}
	if journals == 0 {
		w.s.t.Error("no journal that tells of a join was seen")
	}
	for _, secret := range secrets {
		for _, text := range texts {
			if at := strings.Index(text, secret); at >= 0 {
				w.s.t.Errorf("a secret was seen after %q", text[max(0, at-200):at])
			}
		}
	}
	// On the machines, the token was in the hands of kubeadm, which is done; one that is off never had it.
	for _, m := range w.s.machines {
		if !m.On() {
			continue
		}
		const places = "/etc /run /root /tmp /var/log /var/tmp /var/lib/kplan /var/lib/kubelet"
		left := w.s.ssh(m, strings.Join(tokens, "\n")+"\n", "grep -rlFf - "+places+" 2>/dev/null || :")
		if left != "" {
			w.s.t.Errorf("a token is on %s in\n%s", m.Name, left)
		}
	}
	w.s.t.Logf("%d tokens, %d secrets in all; looked for in %d processes, %d texts, %d of them journals that tell of a join",
		len(tokens), len(secrets), len(w.shown), len(texts), journals)
}

// files are the contents of all files of a directory.
func files(w *watch, dir string) (texts []string) {
	w.s.t.Helper()
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(p)
		texts = append(texts, string(data))
		return err
	})
	if err != nil {
		w.s.t.Fatal(err)
	}
	return texts
}

// unpacked is what is in a plan file.
func (s *spec) unpacked(name string) string {
	s.t.Helper()
	z, err := zip.OpenReader(s.path(name))
	if err != nil {
		s.t.Fatal(err)
	}
	defer z.Close()
	var all strings.Builder
	for _, f := range z.File {
		r, err := f.Open()
		if err == nil {
			_, err = io.Copy(&all, r)
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
	return all.String()
}
