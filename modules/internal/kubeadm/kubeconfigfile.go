package kubeadm

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/kubeconfig"
)

// This file is what a Kubeconfig does with its file.

// backup is the suffix of what a file held before kplan changed it.
const backup = ".kplan.bak"

// seen is the file of a kubeconfig, and what belongs to it.
type seen struct {
	file  *host.File // nil where there is none
	dir   *host.File
	group string // the user's own; "" where there is no such user
	more  []*host.File
}

// look reads the file, and what more asks for, in one call. A user's directory
// that leads elsewhere is not followed: root would write there.
func (k Kubeconfig) look(ctx context.Context, h host.Host, more ...host.Op) (seen, error) {
	ops := append([]host.Op{
		host.ReadFile{Path: k.Path},
		host.ReadFile{Path: path.Dir(k.Path)},
		host.Query{Argv: []string{"id", "-gn", "--", k.User}, AnyExit: true},
	}, more...)
	res, err := h.Do(ctx, ops...)
	if err != nil {
		return seen{}, err
	}
	s := seen{file: res[0].File, dir: res[1].File}
	if res[2].Output.Code == 0 {
		s.group = strings.TrimSpace(string(res[2].Output.Stdout))
	}
	for _, r := range res[3:] {
		s.more = append(s.more, r.File)
	}
	switch f := s.file; {
	case s.dir != nil && s.dir.Kind != host.KindDir:
		err = k.refuse("its directory is none, or a symbolic link; write the path that that points to")
	case f == nil:
	case f.Kind == host.KindSymlink:
		err = k.refuse("a symbolic link stands there; write the path that it points to")
	case f.Kind != host.KindFile:
		err = k.refuse("something else than a file stands there")
	case f.Content == nil:
		err = k.refuse("it is larger than 1 MiB")
	}
	return s, err
}

func (k Kubeconfig) refuse(msg string) error {
	return &host.OpError{Op: "manage the kubeconfig", Path: k.Path, Msg: msg}
}

func (k Kubeconfig) parse(file *host.File) (*kubeconfig.File, error) {
	f, err := kubeconfig.Parse(string(file.Content))
	if err != nil {
		return nil, k.refuse(err.Error())
	}
	return f, nil
}

// write puts the entries into the file.
func (k Kubeconfig) write(ctx context.Context, h host.Host, s seen, c kubeconfig.Cluster, u kubeconfig.User, choose bool) error {
	file := host.WriteFile{Path: k.Path, Content: []byte(kubeconfig.Render(k.Name, c, u)), Mode: 0o600, Owner: k.User, Group: s.group}
	var ops []host.Op
	if s.dir == nil {
		ops = append(ops, host.MakeDir{Path: path.Dir(k.Path), Mode: 0o700, Owner: k.User, Group: s.group})
	}
	if s.file != nil {
		f, err := k.parse(s.file)
		switch {
		case err != nil && k.Merge:
			return err
		case k.Merge:
			if file.Content, err = k.merge(f, c, u, choose); err != nil {
				return err
			}
		}
		old := string(s.file.Content)
		if old != string(file.Content) && strings.TrimSpace(old) != "" && (err != nil || !f.Alone(k.Name)) {
			kept := file
			kept.Path, kept.Content = k.Path+backup, s.file.Content
			ops = append(ops, kept)
		}
	}
	_, err := h.Do(ctx, append(ops, file)...)
	return err
}

func (k Kubeconfig) merge(f *kubeconfig.File, c kubeconfig.Cluster, u kubeconfig.User, choose bool) ([]byte, error) {
	if is := k.means(f); k.foreign(is) {
		return nil, k.refuse(k.collision(is))
	}
	_, has := f.Clusters[k.Name]
	if user, ok := f.Users[k.Name]; ok && !has && !signed(user, c.CA) {
		return nil, k.refuse("it has a user " + k.Name + " already, who is of another cluster. Give this one another name, or take that one away first")
	}
	text, err := f.With(k.Name, c, u, choose)
	if err != nil {
		return nil, k.refuse(err.Error())
	}
	return []byte(text), nil
}

// access is where the cluster is reached and what its authority is; nil for what
// is not known.
func (k Kubeconfig) access() (endpoint, hash *string) {
	for _, c := range k.Cluster { // all say the same
		endpoint, hash = cmp.Or(endpoint, c.Endpoint), cmp.Or(hash, c.CAHash)
	}
	return endpoint, hash
}

// means is the cluster that the name stands for in the file: another one than
// wanted where any entry of the name is of that.
func (k Kubeconfig) means(f *kubeconfig.File) Cluster {
	var all []kubeconfig.Cluster
	if c, ok := f.Clusters[k.Name]; ok {
		all = append(all, c)
	}
	for _, name := range slices.Sorted(maps.Keys(f.Contexts)) {
		if c := f.Contexts[name]; c.Cluster != k.Name && (name == k.Name || c.User == k.Name) {
			all = append(all, f.Clusters[c.Cluster])
		}
	}
	if len(all) == 0 {
		return Cluster{}
	}
	is := all[0]
	if at := slices.IndexFunc(all, func(c kubeconfig.Cluster) bool { return k.foreign(described(c)) }); at >= 0 {
		is = all[at]
	}
	return described(is)
}

func described(c kubeconfig.Cluster) Cluster {
	endpoint, hash := strings.TrimPrefix(c.Server, "https://"), pinned(c.CA)
	return Cluster{&endpoint, &hash}
}

// foreign tells whether is is another cluster than wanted: what has its address
// or its authority is this one, changed.
func (k Kubeconfig) foreign(is Cluster) bool {
	endpoint, hash := k.access()
	return endpoint != nil && hash != nil && is.Endpoint != nil && is.CAHash != nil && *is.Endpoint != *endpoint && *is.CAHash != *hash
}

func (k Kubeconfig) collision(is Cluster) string {
	return fmt.Sprintf("%s has entries called %s already, which are of another cluster (its address is %q). Give this one another name, or take those away first", k.Path, k.Name, *is.Endpoint)
}
