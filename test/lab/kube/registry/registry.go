// Package registry keeps container images in a directory and serves them to whoever pulls. Nothing can be pushed: images are
// written while nobody serves the directory.
//
// The directory has a file for each blob, manifests among them, named by its SHA-256 in hex, and tags.json, which leads from
// NAME:TAG to the blob with the manifest.
package registry

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar"
)

// request is what pulling asks for, by tag or by digest.
var (
	request = regexp.MustCompile(`^/v2/([a-z0-9._/-]+)/(manifests|blobs)/([A-Za-z0-9._:-]+)$`)
	digest  = regexp.MustCompile(`^sha256:([0-9a-f]{64})$`)
)

// Handler serves the images of a directory by the pulling half of the OCI distribution protocol. Names of images matter for
// tags only: a blob is found whatever the image is called.
func Handler(dir string) (http.Handler, error) {
	tags, err := readTags(dir)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			fail(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "images can be pulled only")
			return
		}
		if r.URL.Path == "/v2/" {
			return
		}
		m := request.FindStringSubmatch(r.URL.Path)
		if m == nil {
			fail(w, http.StatusNotFound, "NAME_UNKNOWN", "no such thing in this registry")
			return
		}
		name, kind, reference := m[1], m[2], m[3]
		sum := tags[name+":"+reference]
		if d := digest.FindStringSubmatch(reference); d != nil {
			sum = d[1]
		}
		f, err := os.Open(filepath.Join(dir, sum))
		if sum == "" || err != nil {
			fail(w, http.StatusNotFound, strings.ToUpper(kind[:len(kind)-1])+"_UNKNOWN", name+" has no "+reference)
			return
		}
		defer f.Close()
		w.Header().Set("Content-Type", "application/octet-stream")
		if kind == "manifests" {
			w.Header().Set("Content-Type", manifestType)
		}
		w.Header().Set("Docker-Content-Digest", "sha256:"+sum)
		http.ServeContent(w, r, "", time.Time{}, f)
	}), nil
}

func fail(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q}]}`, code, message)
}

func readTags(dir string) (map[string]string, error) {
	data, err := os.ReadFile(filepath.Join(dir, "tags.json"))
	if err != nil {
		return nil, err
	}
	tags := map[string]string{}
	if err := json.Unmarshal(data, &tags); err != nil {
		return nil, fmt.Errorf("tags.json: %w", err)
	}
	return tags, nil
}
