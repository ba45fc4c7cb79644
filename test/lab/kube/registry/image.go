package registry

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
)

// Image is what a container starts from.
type Image struct {
	Names      []string          // each NAME:TAG
	Base       string            // tar file with the layer below the files, if any
	Files      map[string]string // path in the image → file here; all are executable
	Entrypoint []string
}

type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
}

type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

type config struct {
	Architecture string        `json:"architecture"`
	OS           string        `json:"os"`
	Config       processConfig `json:"config"`
	RootFS       rootFS        `json:"rootfs"`
}

type processConfig struct {
	Entrypoint []string
	Env        []string
	WorkingDir string
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

// Write puts images into a directory, in place of what it told by its tags before. Layers are not compressed: they go over no
// wire that is slower than the compression.
func Write(dir string, images []Image) error {
	tags := map[string]string{}
	for _, img := range images {
		sum, err := writeImage(dir, img)
		if err != nil {
			return fmt.Errorf("image %s: %w", img.Names[0], err)
		}
		for _, name := range img.Names {
			tags[name] = sum
		}
	}
	data, err := json.MarshalIndent(tags, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "tags.json"), data, 0o644)
}

// writeImage returns the sum of the manifest.
func writeImage(dir string, img Image) (string, error) {
	var layers []descriptor
	if img.Base != "" {
		base, err := os.Open(img.Base)
		if err != nil {
			return "", err
		}
		defer base.Close()
		d, err := writeBlob(dir, layerType, func(w io.Writer) error { _, err := io.Copy(w, base); return err })
		if err != nil {
			return "", err
		}
		layers = append(layers, d)
	}
	if len(img.Files) > 0 {
		d, err := writeBlob(dir, layerType, func(w io.Writer) error { return writeLayer(w, img.Files) })
		if err != nil {
			return "", err
		}
		layers = append(layers, d)
	}
	c := config{
		Architecture: runtime.GOARCH, OS: "linux",
		Config: processConfig{
			Entrypoint: img.Entrypoint, WorkingDir: "/",
			Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		},
		RootFS: rootFS{Type: "layers"},
	}
	for _, l := range layers {
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, l.Digest)
	}
	configured, err := writeJSON(dir, configType, c)
	if err != nil {
		return "", err
	}
	d, err := writeJSON(dir, manifestType, manifest{2, manifestType, configured, layers})
	return d.Digest[len("sha256:"):], err
}

func writeJSON(dir, mediaType string, v any) (descriptor, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return descriptor{}, err
	}
	return writeBlob(dir, mediaType, func(w io.Writer) error { _, err := w.Write(data); return err })
}

// writeBlob writes a blob, whose name is known when all of it is written.
func writeBlob(dir, mediaType string, write func(io.Writer) error) (descriptor, error) {
	f, err := os.CreateTemp(dir, "new")
	if err != nil {
		return descriptor{}, err
	}
	defer f.Close()
	h := sha256.New()
	if err := write(io.MultiWriter(f, h)); err != nil {
		return descriptor{}, err
	}
	size, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return descriptor{}, err
	}
	sum := fmt.Sprintf("%x", h.Sum(nil))
	return descriptor{mediaType, "sha256:" + sum, size}, os.Rename(f.Name(), filepath.Join(dir, sum))
}

// writeLayer writes files, and the directories above them, as a tar that is the same whenever it is written.
func writeLayer(w io.Writer, files map[string]string) error {
	tw := tar.NewWriter(w)
	directories := map[string]bool{".": true}
	var directory func(string) error
	directory = func(dir string) error {
		if directories[dir] {
			return nil
		}
		directories[dir] = true
		if err := directory(path.Dir(dir)); err != nil {
			return err
		}
		return tw.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755})
	}
	for _, to := range slices.Sorted(maps.Keys(files)) {
		if err := directory(path.Dir(to)); err != nil {
			return err
		}
		if err := writeFile(tw, to, files[to]); err != nil {
			return err
		}
	}
	return tw.Close()
}

func writeFile(tw *tar.Writer, to, from string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: to, Mode: 0o755, Size: info.Size()}); err != nil {
		return err
	}
	_, err = io.Copy(tw, f)
	return err
}
