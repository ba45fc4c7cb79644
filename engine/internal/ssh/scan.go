package ssh

import (
	"context"
	"errors"
	"fmt"
	"net"

	"golang.org/x/crypto/ssh"
)

var errSeen = errors.New("the key was seen")

// Scan asks the machine at e for its host keys, one connection for each kind
// of key, as ssh-keyscan(1) does. It trusts none of them and logs in nowhere
// but at jump hosts, which are verified. Keys that Dial would refuse as too
// weak are left out.
func Scan(ctx context.Context, e Endpoint, dial DialFunc) ([]ssh.PublicKey, error) {
	jump, dial, err := approach(ctx, e, dial, keepaliveEvery)
	if err != nil {
		return nil, err
	}
	if jump != nil {
		defer jump.Close()
	}
	var keys []ssh.PublicKey
	var last error
	for _, algorithms := range [][]string{
		{ssh.KeyAlgoED25519},
		{ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521},
		{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256},
	} {
		key, err := scan(ctx, e, dial, algorithms)
		var negotiation *ssh.AlgorithmNegotiationError
		switch {
		case key != nil && weak(key) == "":
			keys = append(keys, key)
		case key != nil:
			last = fmt.Errorf("%s: %s", e.Address(), weak(key))
		case errors.As(err, &negotiation):
			last = fmt.Errorf("%s has no host key of a kind that kplan accepts", e.Address())
		default:
			return nil, err
		}
	}
	if len(keys) == 0 {
		return nil, last
	}
	return keys, nil
}

func scan(ctx context.Context, e Endpoint, dial DialFunc, algorithms []string) (ssh.PublicKey, error) {
	h := &hop{endpoint: e, creds: &credentials{}, timeout: e.timeout()}
	conn, err := h.dial(ctx, dial)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	h.watch(conn)
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	var key ssh.PublicKey
	_, _, _, err = ssh.NewClientConn(conn, e.Address(), &ssh.ClientConfig{
		User:              "kplan-scan", // never sent: the key comes first
		HostKeyAlgorithms: algorithms,
		HostKeyCallback: func(_ string, _ net.Addr, k ssh.PublicKey) error {
			key = k
			return errSeen
		},
		ClientVersion: "SSH-2.0-kplan",
	})
	h.relax()
	if !stop() {
		return nil, ctx.Err()
	}
	if key != nil {
		return key, nil
	}
	return nil, h.explain(err)
}
