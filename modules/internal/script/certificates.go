package script

// Certificates writes the certificates in the files that are its arguments, each
// file behind a line with its name: PEM text, and of a kubeconfig the base64 that
// stands in it. A certificate ends at the next line of dashes, whatever that is:
// no key is written.
const Certificates = `
for f; do
	[ -f "$f" ] || continue
	printf '# %s\n' "$f"
	sed -n -e '/^-----BEGIN CERT/,/^-----/p' -e 's/^ *client-certificate-data: *//p' "$f"
done
`
