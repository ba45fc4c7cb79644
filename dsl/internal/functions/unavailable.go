package functions

// Unavailable says why kplan has no function name that Terraform has, or that
// many languages have.
func Unavailable(name string) (why string, ok bool) {
	const (
		same    = "results must be the same on every run"
		machine = "results must be the same on every machine; write the path relative to the spec"
		weak    = "use sha256"
	)
	switch name {
	case "timestamp", "plantimestamp", "now", "uuid", "random", "bcrypt", "env", "getenv", "exec", "external", "http", "shell":
		return same, true
	case "abspath", "pathexpand", "cwd":
		return machine, true
	case "fileexists":
		return "a file of the spec is there or the plan fails; use fileset for those that can be missing", true
	case "md5", "sha1", "filemd5", "filesha1", "base64sha1":
		return weak, true
	case "sha512", "filesha512", "base64sha512", "filebase64sha256", "filebase64sha512":
		return weak + ", base64sha256 or filesha256", true
	case "base64gzip", "base64gunzip":
		return "how well gzip compresses differs between versions, and " + same, true
	case "rsadecrypt":
		return "a spec holds no private keys", true
	}
	return "", false
}
