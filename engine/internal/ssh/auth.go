package ssh

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// credentials are what can be shown to a machine, and what was.
type credentials struct {
	signers  []ssh.Signer
	names    []string // of the signers
	agent    bool
	timeout  time.Duration
	password string

	socket net.Conn // to the agent, for as long as it signs
	tried  []string
	notes  []string // why something was not tried, or did not help
}

func (e Endpoint) credentials() (*credentials, error) {
	c := &credentials{agent: e.Agent, password: e.Password, timeout: e.timeout()}
	if e.User == "" {
		return nil, errors.New("no user to log in as")
	}
	for _, k := range e.Keys {
		signer, err := k.signer()
		if err != nil {
			return nil, err
		}
		c.signers = append(c.signers, signer)
		c.names = append(c.names, k.Name)
	}
	return c, nil
}

// signer reads the key. Nothing of the key itself gets into an error.
func (k Key) signer() (ssh.Signer, error) {
	signer, err := ssh.ParsePrivateKey(k.PEM)
	if _, encrypted := errors.AsType[*ssh.PassphraseMissingError](err); encrypted {
		return nil, fmt.Errorf("the private key %s is encrypted: load it into an agent with ssh-add, and let kplan use the agent", k.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("the private key %s cannot be read: it is no unencrypted key in OpenSSH or PEM form", k.Name)
	}
	if signer, err = modern(signer); err != nil {
		return nil, fmt.Errorf("the private key %s cannot be used: %w", k.Name, err)
	}
	if len(k.Certificate) == 0 {
		return signer, nil
	}
	pub, _, _, _, err := ssh.ParseAuthorizedKey(k.Certificate)
	cert, ok := pub.(*ssh.Certificate)
	if err != nil || !ok {
		return nil, fmt.Errorf("the certificate for the private key %s is no SSH certificate", k.Name)
	}
	if cert.CertType != ssh.UserCert {
		return nil, fmt.Errorf("the certificate for the private key %s is not for users", k.Name)
	}
	if signer, err = ssh.NewCertSigner(cert, signer); err != nil {
		return nil, fmt.Errorf("the certificate is not for the private key %s", k.Name)
	}
	return signer, nil
}

// modern keeps RSA keys from signing with SHA-1 (RFC 8332).
func modern(s ssh.Signer) (ssh.Signer, error) {
	if reason := weak(s.PublicKey()); reason != "" {
		return nil, errors.New(reason)
	}
	a, ok := s.(ssh.AlgorithmSigner)
	if !ok || s.PublicKey().Type() != ssh.KeyAlgoRSA {
		return s, nil
	}
	return ssh.NewSignerWithAlgorithms(a, []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256})
}

func (c *credentials) methods() []ssh.AuthMethod {
	var methods []ssh.AuthMethod
	if len(c.signers) > 0 || c.agent {
		methods = append(methods, ssh.PublicKeysCallback(c.publicKeys))
	}
	if c.password != "" {
		methods = append(methods,
			ssh.PasswordCallback(func() (string, error) {
				c.tried = append(c.tried, "password")
				return c.password, nil
			}),
			ssh.KeyboardInteractive(c.interactive))
	}
	return methods
}

// publicKeys are the signers, the agent's last: a machine counts every key
// that it does not know as a failure (MaxAuthTries of sshd_config(5)).
func (c *credentials) publicKeys() ([]ssh.Signer, error) {
	signers := c.signers
	for i, s := range c.signers {
		c.tried = append(c.tried, "publickey "+c.names[i]+" "+Fingerprint(s.PublicKey()))
	}
	if !c.agent {
		return signers, nil
	}
	theirs, err := c.agentSigners()
	if err != nil {
		c.notes = append(c.notes, err.Error())
		return signers, nil
	}
	if len(theirs) == 0 {
		c.notes = append(c.notes, "the SSH agent holds no keys (ssh-add -l)")
	}
	for _, s := range theirs {
		c.tried = append(c.tried, "publickey of the agent "+Fingerprint(s.PublicKey()))
	}
	return append(signers[:len(signers):len(signers)], theirs...), nil
}

// agentSigners are the keys of the agent at SSH_AUTH_SOCK, ssh-agent(1).
func (c *credentials) agentSigners() ([]ssh.Signer, error) {
	path := os.Getenv("SSH_AUTH_SOCK")
	if path == "" {
		return nil, errors.New("there is no SSH agent (SSH_AUTH_SOCK is not set)")
	}
	conn, err := net.DialTimeout("unix", path, c.timeout)
	if err != nil {
		return nil, errors.New("the SSH agent at SSH_AUTH_SOCK does not answer")
	}
	c.close()
	c.socket = conn
	_ = conn.SetDeadline(time.Now().Add(c.timeout))
	signers, err := agent.NewClient(conn).Signers()
	if err != nil {
		return nil, errors.New("the SSH agent at SSH_AUTH_SOCK did not list its keys")
	}
	var usable []ssh.Signer
	for _, s := range signers {
		if s, err := modern(s); err == nil {
			usable = append(usable, s)
		}
	}
	return usable, nil
}

// close ends what was needed for authentication.
func (c *credentials) close() {
	if c.socket != nil {
		_ = c.socket.Close()
	}
}

// interactive answers the one question for a password (RFC 4256). Any other,
// such as for a new password in place of an expired one, is not ours to
// answer.
func (c *credentials) interactive(_, _ string, questions []string, echos []bool) ([]string, error) {
	if len(questions) == 0 {
		return nil, nil
	}
	if len(questions) > 1 || echos[0] || strings.Contains(strings.ToLower(questions[0]), "new password") {
		err := fmt.Errorf("the machine asks %q, which kplan does not answer", clean(questions[0]))
		c.notes = append(c.notes, err.Error())
		return nil, err
	}
	c.tried = append(c.tried, "keyboard-interactive")
	return []string{c.password}, nil
}

// hint adds to what the machine said what may help.
func (c *credentials) hint(msg string) string {
	if len(c.tried) == 0 && len(c.notes) == 0 {
		c.notes = append(c.notes, "no key, agent or password that it takes was given")
	}
	if strings.Contains(strings.ToLower(msg), "too many authentication failures") {
		c.notes = append(c.notes, "it counts each key as a try: name the one that it knows")
	}
	return strings.Join(append([]string{msg}, c.notes...), "; ")
}
