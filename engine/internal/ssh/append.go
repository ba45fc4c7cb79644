package ssh

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// AppendKnownHosts adds keys, as in .pub files, to file under e's name, and
// leaves the file's other bytes as they are. Lines that are there already are
// not added again. The file is replaced atomically and keeps its mode; a new
// one, and its directory, are for the user only.
func AppendKnownHosts(file string, e Endpoint, keys []string) error {
	if target, err := filepath.EvalSymlinks(file); err == nil {
		file = target
	}
	data, err := os.ReadFile(file)
	mode := fs.FileMode(0o600)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return fmt.Errorf("known hosts: %w", err)
		}
	case err != nil:
		return fmt.Errorf("known hosts: %w", err)
	default:
		info, err := os.Stat(file)
		if err != nil {
			return fmt.Errorf("known hosts: %w", err)
		}
		mode = info.Mode().Perm()
	}
	there := strings.Split(string(data), "\n")
	if n := len(data); n > 0 && data[n-1] != '\n' {
		data = append(data, '\n')
	}
	added := false
	for _, k := range keys {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(k))
		if err != nil {
			return fmt.Errorf("known hosts: %q is no public key", clean(k))
		}
		line := knownhosts.Line([]string{strings.ToLower(e.Address())}, key)
		if !slices.Contains(there, line) {
			data = append(data, line+"\n"...)
			added = true
		}
	}
	if !added {
		return nil
	}
	if err := replace(file, data, mode); err != nil {
		return fmt.Errorf("known hosts: %w", err)
	}
	return nil
}

func replace(file string, data []byte, mode fs.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), ".known_hosts.*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Chmod(mode)
	}
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
	}
	return err
}
