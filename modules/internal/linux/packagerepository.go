package linux

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
)

var packageRepository = resource.Define[PackageRepository]("package_repository")

// PackageRepository is a place that packages come from: a repository of apt and
// the key that it is signed with.
//
// It writes /etc/apt/sources.list.d/NAME.sources and, for the key,
// /etc/apt/keyrings/NAME.asc; the key counts for this repository only. Before
// that its package lists are fetched, so that packages of it can be installed
// at once; what cannot be fetched, is not signed with the key, or contradicts
// another file of apt is not kept. Without a key, those of /etc/apt/trusted.gpg.d count. A file that was
// changed by hand is written again. Delete removes both files; packages of the
// repository stay. Only apt is known so far.
//
//	resource "package_repository" "kubernetes" {
//	  on     = hosts
//	  name   = "kubernetes"
//	  uri    = "https://pkgs.k8s.io/core:/stable:/v1.34/deb/"
//	  suites = ["/"]
//	  key    = file("kubernetes.asc")
//	}
type PackageRepository struct {
	Name       string   `cty:"name" kplan:"id"`         // of its files
	URI        string   `cty:"uri" kplan:"required"`    // where it is
	Suites     []string `cty:"suites" kplan:"required"` // such as "bookworm"; of a flat repository a path that ends with a slash
	Components []string `cty:"components"`              // such as "main"; a flat repository has none
	Key        *string  `cty:"key"`                     // public, as armored text, not where it stands
}

const armoredKey = "-----BEGIN PGP PUBLIC KEY BLOCK-----"

var (
	repositoryName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)
	repositoryURI  = regexp.MustCompile(`^[a-z][a-z0-9+.-]*:\S+$`)
	sourceWord     = regexp.MustCompile(`^[^\s#\[\]]+$`)
)

// Validate implements resource.Validator.
func (r PackageRepository) Validate(unknown func(string) bool) error {
	bad := func(field, format string, args ...any) error {
		return &resource.FieldError{Field: field, Msg: fmt.Sprintf(format, args...)}
	}
	switch {
	case !unknown("name") && !repositoryName.MatchString(r.Name):
		return bad("name", "%q is no name of a repository. Write letters, digits, dashes, underscores and dots, such as \"kubernetes\".", r.Name)
	case !unknown("uri") && !repositoryURI.MatchString(r.URI):
		return bad("uri", "%q is no address of a repository. Write it with its scheme, such as \"https://deb.debian.org/debian\".", r.URI)
	case len(r.Suites) == 0 && !unknown("suites"):
		return bad("suites", "There are no suites. Write at least one, such as \"bookworm\", or \"/\" for a flat repository.")
	case r.Key != nil && !strings.HasPrefix(strings.TrimSpace(*r.Key), armoredKey):
		return bad("key", "The key is no public key in armored text, which begins with %s. Write file(\"NAME.asc\") for a file of the spec; gpg --armor --export makes one.", armoredKey)
	}
	for _, component := range r.Components {
		if !sourceWord.MatchString(component) {
			return bad("components", "%q is no component. Write one word for each, such as \"main\".", component)
		}
	}
	for _, suite := range r.Suites {
		switch flat := strings.HasSuffix(suite, "/"); {
		case !sourceWord.MatchString(suite):
			return bad("suites", "%q is no suite. Write one word for each, such as \"bookworm\".", suite)
		case flat && len(r.Components) > 0:
			return bad("components", "The repository is flat at %q, and has no components there. Leave the components out.", suite)
		case !flat && len(r.Components) == 0 && !unknown("components"):
			return bad("components", "The suite %q has components. Write them, such as [\"main\"].", suite)
		}
	}
	return nil
}

func (r PackageRepository) sourceFile() string {
	return "/etc/apt/sources.list.d/" + r.Name + ".sources"
}

func (r PackageRepository) keyFile() string { return "/etc/apt/keyrings/" + r.Name + ".asc" }

// Claims implements resource.Claimer.
func (r PackageRepository) Claims() []string {
	return []string{"package repository " + r.Name, "path " + r.sourceFile(), "path " + r.keyFile()}
}

// Semaphores implements resource.Semaphorer.
func (r PackageRepository) Semaphores() []string { return []string{"package manager"} }

// Read makes one call. Of a file that is not as kplan writes it nothing is told.
func (r PackageRepository) Read(ctx context.Context, h host.Host) (*PackageRepository, error) {
	files, err := host.Read(ctx, h, r.sourceFile(), r.keyFile())
	if err != nil || files[0] == nil {
		return nil, err
	}
	got := &PackageRepository{Name: r.Name}
	source, ok := parseSource(string(files[0].Content))
	if !ok || source.signedBy != "" && source.signedBy != r.keyFile() {
		return got, nil
	}
	got.URI, got.Suites, got.Components = source.uri, source.suites, source.components
	if source.signedBy != "" && files[1] != nil {
		key := string(files[1].Content)
		if r.Key != nil && strings.TrimSpace(key) == strings.TrimSpace(*r.Key) {
			key = *r.Key
		}
		got.Key = &key
	}
	return got, nil
}

// Apply makes two calls. The lists come first: what apt refuses is not kept, and
// a run that is cut off in between fetches them again.
func (r PackageRepository) Apply(ctx context.Context, h host.Host, prior *PackageRepository) error {
	if prior == nil {
		prior = &PackageRepository{}
	}
	source := debSource{uri: r.URI, suites: r.Suites, components: r.Components}
	key := strings.TrimSpace(or("", r.Key, prior.Key))
	if err := fetchLists(ctx, h, r.Name, source, key); err != nil {
		return err
	}
	if key != "" {
		source.signedBy, key = r.keyFile(), key+"\n"
	}
	_, err := h.Do(ctx, append(keepFile(r.keyFile(), key), keepFile(r.sourceFile(), writtenBy+source.String())...)...)
	return err
}

// Delete implements resource.Deleter.
func (r PackageRepository) Delete(ctx context.Context, h host.Host) error {
	_, err := h.Do(ctx, host.Remove{Path: r.sourceFile()}, host.Remove{Path: r.keyFile()})
	return err
}
