package plans

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/state/value"
)

// BytesDigest is the sha256 of b in hexadecimal. That of a recorded state
// stands in Base.State.
func BytesDigest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// FilesDigest is the digest of files and their names. That of the sources of a
// plan stands in Base.Spec.
func FilesDigest(files map[string][]byte) string {
	type entry struct{ Name, Digest string }
	var list []entry
	for _, name := range slices.Sorted(maps.Keys(files)) {
		list = append(list, entry{name, BytesDigest(files[name])})
	}
	data, err := value.JSON(list)
	if err != nil {
		panic(err) // strings always encode
	}
	return BytesDigest(data)
}

// Keyed is the keyed digest of a sensitive value: HMAC-SHA256 (RFC 2104) over
// its type and its canonical JSON, so that values compare and none shows. It
// is "" where the value is not wholly known. Marks do not matter.
func Keyed(key []byte, v cty.Value) string {
	v, _ = v.UnmarkDeep()
	if !v.IsWhollyKnown() {
		return ""
	}
	t, err := value.EncodeType(v.Type())
	if err != nil {
		panic(err) // every type of a value that a spec can have is written
	}
	data, err := value.EncodeKnown(v)
	if err != nil {
		panic(err)
	}
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write(append(append(t, '\n'), data...)) // never fails
	return "hmac-sha256:" + hex.EncodeToString(mac.Sum(nil))
}
