package kube

import (
	"context"
	"errors"
	"os"
	"path/filepath"
)

// address is the lab's own on the network of the machines.
const address = "10.0.2.1"

// service is what the lab calls the server, and its log.
const service = "kube"

// Serve offers the payload to the machines of a lab that is up, until [Payload.Withdraw] or the lab's end. What is asked for is logged in kube.log in
// the cache.
func (p *Payload) Serve(ctx context.Context) error {
	if !p.Ready() {
		return errors.New("the payload is not made yet: `go run ./test/lab/cmd/lab payload` makes it, in tens of minutes the first time")
	}
	server, ready := filepath.Join(p.dir, "serve"), filepath.Join(p.dir, "ready")
	if _, err := run(ctx, "go", "build", "-buildvcs=false", "-o", server, "github.com/kplan/kplan/test/lab/kube/serve"); err != nil {
		return err
	}
	if err := os.RemoveAll(ready); err != nil {
		return err
	}
	return p.lab.Start(ctx, service, func() bool { return exists(ready) }, server, p.site, address, ready)
}

// Withdraw ends what Serve has started.
func (p *Payload) Withdraw(ctx context.Context) error { return p.lab.Stop(ctx, service) }
