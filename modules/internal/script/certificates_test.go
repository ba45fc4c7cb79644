package script_test

import (
	"strings"
	"testing"

	"github.com/kplan/kplan/modules/internal/script"
)

// Certificates are written with their files' names, and no key is, also where a
// certificate has lost its end.
func TestCertificates(t *testing.T) {
	n := newNode(t)
	const key = "-----BEGIN EC PRIVATE KEY-----\nSECRET\n-----END EC PRIVATE KEY-----\n"
	const cert = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
	var files, want []string
	for _, f := range []struct{ name, text, shows string }{
		{"a.crt", cert, cert},
		{"with a key.pem", cert + key, cert},
		{"key first.pem", key + cert, cert},
		{"cut.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n" + key, "-----BEGIN CERTIFICATE-----\nMIIB\n-----BEGIN EC PRIVATE KEY-----\n"},
		{"admin.conf", "users:\n- user:\n    client-certificate-data: TUlJQg==\n    client-key-data: SECRET\n", "TUlJQg==\n"},
		{"by file.conf", "users:\n- user:\n    client-certificate: /x.pem\n    client-key: SECRET\n", ""},
		{"empty.crt", "", ""},
		{"not there.crt", "-", ""},
	} {
		files = append(files, n.dir+"/"+f.name)
		if f.text != "-" {
			n.put(f.name, f.text)
			want = append(want, "# "+n.dir+"/"+f.name+"\n"+f.shows)
		}
	}
	got, err := n.output(script.Certificates, files...)
	if err != nil || got != strings.Join(want, "") {
		t.Errorf("%v\n%s\nwant\n%s", err, got, strings.Join(want, ""))
	}
}
