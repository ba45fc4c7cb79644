package kubeadm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/kubeconfig"
	"github.com/kplan/kplan/modules/resource"
)

var kubeConfig = resource.Define[Kubeconfig]("kubeconfig", resource.Merges)

// Kubeconfig gives a user of the machine access to a cluster as its
// administrator, by a kubeconfig.
//
// The machine may be of the cluster or not. The credentials are those of
// /etc/kubernetes/admin.conf: apply takes them from the control plane, and they
// are recorded and shown nowhere. They are taken anew where the certificate ends
// within thirty days, and there, too, kubeadm renews them then. The file belongs
// to the user and has mode 0600. A directory for it is made where it is missing,
// not its parents.
//
// With merge, a file that is there keeps everything but the cluster, the context
// and the user that are called name, byte for byte. Its current context stays;
// where it has none, it is this one. What was in the file is kept beside it, with
// the suffix .kplan.bak. Entries of that name which are of another cluster, at
// another address and of another authority, are an error, and so is a file that
// kplan cannot edit, such as one in JSON. Without merge the whole file is kplan's.
// Delete removes the entries and that copy, and the file where nothing else is
// in it.
//
// Where the machine reaches the cluster at another address, cluster is a map that
// says so: by the control plane's host, the endpoint and the ca_hash.
//
//	resource "kubeconfig" "ops" {
//	  on      = host.bastion
//	  path    = "/home/ops/.kube/config"
//	  user    = "ops"
//	  name    = "production"
//	  cluster = all.kubeadm_control_plane.main
//	}
type Kubeconfig struct {
	Path    string             `cty:"path" kplan:"id"`                    // absolute
	Name    string             `cty:"name" kplan:"id,default=kubernetes"` // of the entries: kubectl --context NAME
	Cluster map[string]Cluster `cty:"cluster" kplan:"required"`           // the control plane, by host: all.kubeadm_control_plane.main
	User    string             `cty:"user" kplan:"default=root"`          // whose file it is
	Merge   bool               `cty:"merge" kplan:"default=true"`         // keep what else is in the file
	Intact  bool               `cty:"intact" kplan:"default=true"`        // usable, and as kplan made it; true writes again what was changed or is about to end
	Expires *string            `cty:"expires" kplan:"computed"`           // end of the certificate, RFC 3339
}

var (
	entryName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._@:/-]*[A-Za-z0-9])?$`)
	userName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9._-]*\$?$`)
)

// Validate implements resource.Validator.
func (k Kubeconfig) Validate(unknown func(string) bool) error {
	bad := func(field, format string, args ...any) error {
		return &resource.FieldError{Field: field, Msg: fmt.Sprintf(format, args...)}
	}
	endpoints, hashes := map[string]bool{}, map[string]bool{}
	for _, c := range k.Cluster {
		if c.Endpoint != nil {
			endpoints[*c.Endpoint] = true
		}
		if c.CAHash != nil {
			hashes[*c.CAHash] = true
		}
	}
	switch clean := path.Clean(k.Path); {
	case !unknown("path") && (!path.IsAbs(k.Path) || strings.ContainsAny(k.Path, "\x00\n")):
		return bad("path", "The path %q is not absolute, or no line. Write it from the root, such as \"/root/.kube/config\".", k.Path)
	case !unknown("path") && clean != k.Path:
		return bad("path", "The path %q has a shorter spelling. Write %q.", k.Path, clean)
	case !unknown("name") && !entryName.MatchString(k.Name):
		return bad("name", "%q is no name for an entry. Write letters, digits and . _ @ : / - between them, such as \"production\".", k.Name)
	case !unknown("user") && !userName.MatchString(k.User):
		return bad("user", "%q is no name of a user. Write one, such as \"root\".", k.User)
	case !unknown("cluster") && len(k.Cluster) == 0:
		return bad("cluster", "There is no control plane. Write cluster = all.kubeadm_control_plane.NAME.")
	case len(endpoints) > 1 || len(hashes) > 1:
		return bad("cluster", "The hosts are of several clusters. Write a resource for each, with names of their own.")
	case !unknown("cluster") && (len(endpoints) == 0 || len(hashes) == 0):
		return bad("cluster", "The endpoint and the ca_hash are both needed: where the cluster is, and which it is. Write cluster = all.kubeadm_control_plane.NAME.")
	case !unknown("intact") && !k.Intact:
		return bad("intact", "It is never wanted that somebody changes what kplan made. Leave intact out.")
	}
	return nil
}

// Claims implements resource.Claimer. Other entries of the file may be others'.
func (k Kubeconfig) Claims() []string {
	if k.Merge {
		return []string{"kubeconfig " + k.Path + " " + k.Name}
	}
	return []string{"path " + k.Path}
}

// Peers implements resource.Peerer: one host of the control plane. What was read
// knows when it ends, and to take that away no other machine is needed.
func (k Kubeconfig) Peers() []string {
	if k.Expires != nil {
		return nil
	}
	return k.planes()
}

// planes are the hosts of the control plane.
func (k Kubeconfig) planes() []string { return slices.Sorted(maps.Keys(k.Cluster)) }

// Read makes one call.
func (k Kubeconfig) Read(ctx context.Context, h host.Host) (*Kubeconfig, error) {
	s, err := k.look(ctx, h)
	if err != nil || s.file == nil {
		return nil, err
	}
	f, err := k.parse(s.file)
	switch {
	case err != nil && k.Merge:
		return nil, err
	case err != nil:
		f = &kubeconfig.File{}
	case k.Merge && !f.Has(k.Name):
		return nil, nil
	}
	got := k
	cluster, user := f.Clusters[k.Name], f.Users[k.Name]
	end := ends(user)
	got.Expires = &end
	got.Merge = k.Merge || !f.Alone(k.Name)
	got.User = s.file.Owner
	got.Intact = f.Contexts[k.Name] == kubeconfig.Context{Cluster: k.Name, User: k.Name} &&
		!cluster.Insecure && signed(user, cluster.CA) && lasts(user) &&
		s.file.Mode == 0o600 && (s.file.Owner != k.User || s.file.Group == s.group)
	got.Cluster = map[string]Cluster{}
	is := k.means(f)
	for name := range k.Cluster {
		got.Cluster[name] = is
	}
	return &got, nil
}

// Refuses implements resource.Refuser.
func (k Kubeconfig) Refuses(prior *Kubeconfig) string {
	for _, is := range prior.Cluster {
		if k.Merge && k.foreign(is) {
			return k.collision(is) + "."
		}
	}
	return ""
}

// Apply makes two calls at home and up to two on the control plane.
func (k Kubeconfig) Apply(ctx context.Context, h host.Host, prior *Kubeconfig) error {
	endpoint, hash := k.access()
	if endpoint == nil || hash == nil {
		return errors.New("nothing is known of the control plane")
	}
	s, err := k.look(ctx, h, host.ReadFile{Path: adminFile})
	if err != nil {
		return err
	}
	if s.group == "" {
		return k.refuse("the machine has no user " + k.User)
	}
	plane := h
	if own, _, _ := administrator(s.more[0], *hash); pinned(own.CA) != *hash { // the machine is not of the control plane itself
		if plane, err = host.Peer(ctx, k.planes()...); err != nil {
			return err
		}
	}
	cluster, user, err := credentials(ctx, plane, *hash)
	if err != nil {
		return err
	}
	cluster.Server, cluster.Insecure = "https://"+*endpoint, false
	return k.write(ctx, h, s, cluster, user, prior == nil)
}

// Delete implements resource.Deleter. Entries that are another cluster's by now
// stay.
func (k Kubeconfig) Delete(ctx context.Context, h host.Host) error {
	s, err := k.look(ctx, h)
	if err != nil || s.file == nil {
		return err
	}
	if !k.Merge {
		_, err = h.Do(ctx, host.Remove{Path: k.Path})
		return err
	}
	f, err := k.parse(s.file)
	if err != nil || !f.Has(k.Name) || k.foreign(k.means(f)) {
		return err
	}
	text, err := f.Without(k.Name)
	if err != nil {
		return k.refuse(err.Error())
	}
	var change host.Op = host.WriteFile{Path: k.Path, Content: []byte(text), Mode: s.file.Mode, Owner: s.file.Owner, Group: s.file.Group}
	if g, err := kubeconfig.Parse(text); err == nil && g.Bare() {
		change = host.Remove{Path: k.Path}
	}
	_, err = h.Do(ctx, host.Remove{Path: k.Path + backup}, change)
	return err
}
