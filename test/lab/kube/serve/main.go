// Command serve offers a payload to the machines: files on port 80 and images on port 5000. It is started in the lab's
// network, and ended with the lab.
//
// usage: serve SITE ADDRESS READY    READY is a file that it makes once it answers
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/kplan/kplan/test/lab/kube/registry"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: serve SITE ADDRESS READY")
		os.Exit(2)
	}
	fmt.Fprintln(os.Stderr, "serve:", serve(os.Args[1], os.Args[2], os.Args[3]))
	os.Exit(1)
}

func serve(site, address, ready string) error {
	images, err := registry.Handler(filepath.Join(site, "blobs"))
	if err != nil {
		return err
	}
	ended := make(chan error)
	for port, handler := range map[string]http.Handler{"80": http.FileServer(http.Dir(filepath.Join(site, "www"))), "5000": images} {
		listener, err := net.Listen("tcp", net.JoinHostPort(address, port))
		if err != nil {
			return err
		}
		go func() { ended <- http.Serve(listener, logged(port, handler)) }()
	}
	if err := os.WriteFile(ready, nil, 0o644); err != nil {
		return err
	}
	return <-ended
}

// logged notes what is asked for.
func logged(port string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := &answer{w, http.StatusOK}
		next.ServeHTTP(answer, r)
		fmt.Fprintf(os.Stderr, "%s %s asked %s for %s %s: %d\n",
			time.Now().Format(time.TimeOnly), r.RemoteAddr, port, r.Method, r.URL.Path, answer.status)
	})
}

// answer remembers the status.
type answer struct {
	http.ResponseWriter
	status int
}

func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// ReadFrom lets the kernel send files.
func (a *answer) ReadFrom(r io.Reader) (int64, error) { return io.Copy(a.ResponseWriter, r) }
