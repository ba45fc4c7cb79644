package kube

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/kplan/kplan/modules/resource"
)

// The names of Kubernetes: of a node, of a key with or without the domain it
// belongs to, and what a label's value may be.
var (
	nodeName   = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)
	keyName    = regexp.MustCompile(`^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$`)
	labelValue = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$`)
	effects    = []string{"NoSchedule", "PreferNoSchedule", "NoExecute"}
)

// Validate implements resource.Validator.
func (n Node) Validate(unknown func(string) bool) error {
	bad := func(field, format string, args ...any) error {
		return &resource.FieldError{Field: field, Msg: fmt.Sprintf(format, args...)}
	}
	if !unknown("name") && !nodeName.MatchString(n.Name) {
		return bad("name", "%q is no name of a node. Write it as kubectl get nodes lists it, in lower case.", n.Name)
	}
	nothing := n.Labels == nil && n.Annotations == nil && n.Taints == nil
	if nothing && !unknown("labels") && !unknown("annotations") && !unknown("taints") {
		return bad("labels", "Nothing of the node is managed. Write labels, annotations or taints.")
	}
	for _, key := range slices.Sorted(maps.Keys(n.Labels)) {
		switch value := n.Labels[key]; {
		case !keyName.MatchString(key):
			return bad("labels", "%q is no key of a label. Write letters, digits, dashes, dots and underscores, with a domain and a slash before them or not.", key)
		case !labelValue.MatchString(value):
			return bad("labels", "The label %s has the value %q. Write at most 63 letters, digits, dashes, dots and underscores; what is longer is for an annotation.", key, value)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(n.Annotations)) {
		switch {
		case key == markKey:
			return bad("annotations", "The annotation %s is where kplan keeps what it set. Leave it out.", key)
		case !keyName.MatchString(key):
			return bad("annotations", "%q is no key of an annotation. Write letters, digits, dashes, dots and underscores, with a domain and a slash before them or not.", key)
		}
	}
	seen := map[string]bool{}
	for _, s := range n.Taints {
		switch t := parseTaint(s); {
		case !slices.Contains(effects, t.Effect):
			return bad("taints", "The taint %q has no effect. Write one of %s after a colon, such as \"dedicated=storage:NoSchedule\".", s, strings.Join(effects, ", "))
		case !keyName.MatchString(t.Key) || !labelValue.MatchString(t.Value):
			return bad("taints", "%q is no taint. Write \"key=value:Effect\" or \"key:Effect\".", s)
		case ofCluster(t.Key):
			return bad("taints", "The cluster sets %s itself. Leave it out.", t.Key)
		case t.String() != s:
			return bad("taints", "The taint %q has another spelling. Write %q.", s, t)
		case seen[t.Key+":"+t.Effect]:
			return bad("taints", "The taint %s:%s is there twice. Write it once.", t.Key, t.Effect)
		default:
			seen[t.Key+":"+t.Effect] = true
		}
	}
	return nil
}
