package registry

import (
	"archive/tar"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// served writes an image of one program and serves it.
func served(t *testing.T) *httptest.Server {
	t.Helper()
	dir, program := t.TempDir(), filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte("#!/bin/true\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Write(dir, []Image{{
		Names: []string{"pause:1", "library/pause:1"}, Files: map[string]string{"opt/bin/pause": program}, Entrypoint: []string{"/opt/bin/pause"},
	}}); err != nil {
		t.Fatal(err)
	}
	h, err := Handler(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func get(t *testing.T, url string) (*http.Response, []byte) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	data, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, data
}

// A pull goes from the tag to the manifest, from there to the configuration and the layers.
func TestPull(t *testing.T) {
	s := served(t)
	if r, _ := get(t, s.URL+"/v2/"); r.StatusCode != http.StatusOK {
		t.Errorf("asked whether it is a registry it says %s", r.Status)
	}
	r, data := get(t, s.URL+"/v2/library/pause/manifests/1")
	if got := r.Header.Get("Content-Type"); got != manifestType {
		t.Errorf("the manifest is served as %s", got)
	}
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil || len(m.Layers) != 1 {
		t.Fatalf("the manifest is %s, %v", data, err)
	}
	if _, again := get(t, s.URL+"/v2/pause/manifests/"+r.Header.Get("Docker-Content-Digest")); !slices.Equal(again, data) {
		t.Errorf("by its digest the manifest is %s", again)
	}
	head, err := http.Head(s.URL + "/v2/pause/manifests/1")
	if err != nil {
		t.Fatal(err)
	}
	defer head.Body.Close()
	if head.StatusCode != http.StatusOK || head.ContentLength != int64(len(data)) {
		t.Errorf("the manifest's head says %s and %d bytes of %d", head.Status, head.ContentLength, len(data))
	}
	var c config
	if _, data := get(t, s.URL+"/v2/pause/blobs/"+m.Config.Digest); json.Unmarshal(data, &c) != nil ||
		!slices.Equal(c.Config.Entrypoint, []string{"/opt/bin/pause"}) || !slices.Equal(c.RootFS.DiffIDs, []string{m.Layers[0].Digest}) {
		t.Errorf("the configuration is %s", data)
	}
	r, err = http.Get(s.URL + "/v2/pause/blobs/" + m.Layers[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var names []string
	for files := tar.NewReader(r.Body); ; {
		h, err := files.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Mode != 0o755 {
			t.Errorf("%s has the mode %o", h.Name, h.Mode)
		}
		names = append(names, h.Name)
	}
	if want := []string{"opt/", "opt/bin/", "opt/bin/pause"}; !slices.Equal(names, want) {
		t.Errorf("the layer has %q, want %q", names, want)
	}
}

func TestUnknown(t *testing.T) {
	s := served(t)
	for _, path := range []string{
		"/v2/pause/manifests/2", "/v2/other/manifests/1", "/v2/pause/blobs/tags.json", "/v2/pause/blobs/..", "/v2/_catalog",
		"/v2/pause/blobs/sha256:0000000000000000000000000000000000000000000000000000000000000000",
	} {
		if r, data := get(t, s.URL+path); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s %s", path, r.Status, data)
		}
	}
	r, err := http.Post(s.URL+"/v2/pause/blobs/uploads/", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("a push gets %s", r.Status)
	}
}
