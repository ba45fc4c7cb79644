package e2e

import (
	"strings"
	"testing"

	"github.com/kplan/kplan/modules/resource/resourcetest"
	"github.com/kplan/kplan/test/site"
)

// TestPackageOfARepository installs a package of a repository that the same run
// adds, on machines that have no other.
func TestPackageOfARepository(t *testing.T) {
	const spec = `
resource "package_repository" "lab" {
  on     = hosts
  name   = "lab"
  uri    = "file:/srv/lab-apt"
  suites = ["./"]
  key    = file("key.asc")
}
resource "package" "hello" {
  on         = hosts
  name       = "lab-hello"
  depends_on = [package_repository.lab]
}
`
	s := site.New(t, spec)
	key := s.On("k8s-node1", "cat /etc/apt/keyrings/lab.asc")
	s.Write("key.asc", key)
	r := s.Want(3, "apply", "-auto-approve") // the machine has the repository by another file
	has(t, r.Stderr, "Conflicting values set for option Signed-By")
	if got := s.On("k8s-node1", "ls /etc/apt/sources.list.d && apt-get -qq update"); got != "lab.list\n" {
		t.Errorf("a source that contradicts another is kept: %s", got)
	}
	for _, m := range s.Lab.Machines() {
		s.On(m.Name, "rm /etc/apt/sources.list.d/* /etc/apt/keyrings/* && apt-get -qq update && ! apt-cache show lab-hello 2>/dev/null")
	}
	s.Write("key.asc", resourcetest.ForeignKey)
	r = s.Want(3, "apply", "-auto-approve")
	has(t, r.Stderr, "cannot fetch the package lists of file:/srv/lab-apt")
	for _, m := range s.Lab.Machines() {
		if out := s.On(m.Name, "ls /etc/apt/sources.list.d /etc/apt/keyrings && apt-get -qq update"); strings.Contains(out, "lab") {
			t.Errorf("a repository that apt refuses is kept on %s: %s", m.Name, out)
		}
	}
	s.Write("key.asc", key)
	s.Want(0, "apply", "-auto-approve")
	empty(t, s)
	if got := s.On("k8s-node2", "lab-hello && apt-get -qq update"); got != "hello 2.0\n" {
		t.Errorf("lab-hello says %q", got)
	}
}
