package dsl

import (
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// connections resolves the connections of all hosts.
func (s *Spec) connections(hosts []madeHost) hcl.Diagnostics {
	var diags hcl.Diagnostics
	spec := s.root.mod.connection
	for _, h := range hosts {
		c, more := s.connectionOf(h, spec)
		diags = append(diags, more...)
		h.Connection = c
	}
	diags = inOrder(diags)
	if diags.HasErrors() {
		return diags
	}
	return append(diags, s.checkConnections(hosts)...)
}

// connectionOf is the host's own arguments over the spec's, over the defaults.
func (s *Spec) connectionOf(h madeHost, spec *connectionBlock) (Connection, hcl.Diagnostics) {
	f := s.top.frame(nil)
	f.each = h.each
	a := &blockArgs{spec: s, frame: f, args: map[string]*expr{}}
	c := Connection{Range: h.Range}
	boot := map[string]*expr{}
	var bootRange hcl.Range
	for _, b := range []*connectionBlock{spec, h.block.connection} {
		if b == nil {
			continue
		}
		c.Range = b.rng
		for name, e := range b.args {
			a.args[name] = e
		}
		if b.bootstrap != nil {
			bootRange = b.bootstrap.rng
			for name, e := range b.bootstrap.args {
				boot[name] = e
			}
		}
	}
	c.Host = or(a.text("host"), h.Address)
	c.Port = a.whole("port", 1, 65535, 22)
	c.User = a.text("user")
	c.PrivateKeyFile = s.beside(a.text("private_key_file"))
	c.PrivateKey = a.text("private_key")
	c.CertificateFile = s.beside(a.text("certificate_file"))
	c.Password = a.text("password")
	c.KnownHostsFile = or(s.beside(a.text("known_hosts_file")), "~/.ssh/known_hosts")
	c.HostKey = a.text("host_key")
	c.Become = or(a.text("become"), "none")
	c.BecomeUser = or(a.text("become_user"), "root")
	c.BecomePassword = a.text("become_password")
	c.Timeout = a.duration("timeout", 10*time.Second)
	c.Agent = c.PrivateKeyFile == "" && c.PrivateKey == "" && c.Password == ""
	if v := a.value("agent", cty.Bool, false); !v.IsNull() {
		c.Agent = v.True()
	}
	if !slices.Contains([]string{"none", "sudo", "doas", "su"}, c.Become) {
		a.add(errorAt(a.args["become"].rng, "Invalid value", "The argument \"become\" is none, sudo, doas or su.%s", suggest(c.Become, []string{"none", "sudo", "doas"})))
	}
	c.Bastion = a.bastion()
	if h.block.connection == nil || h.block.connection.args["bastion"] == nil {
		if c.Bastion == h.Name {
			c.Bastion = "" // the spec's bastion is reached without itself
		}
	}
	if bootRange != (hcl.Range{}) {
		b := &blockArgs{spec: s, frame: f, args: boot}
		c.Bootstrap = &Bootstrap{
			Host: b.text("host"), Port: b.whole("port", 1, 65535, 0), User: b.text("user"), Password: b.text("password"),
			PrivateKeyFile: s.beside(b.text("private_key_file")), PrivateKey: b.text("private_key"), Range: bootRange,
		}
		a.diags = append(a.diags, b.diags...)
	}
	return c, a.diags
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// beside is a path of the spec, relative to its directory; one below the home
// directory is left as it is.
func (s *Spec) beside(p string) string {
	if p == "" || filepath.IsAbs(p) || strings.HasPrefix(p, "~") {
		return p
	}
	return filepath.Join(s.dir, p)
}

// bastion is the name of the host in the argument.
func (a *blockArgs) bastion() string {
	e := a.args["bastion"]
	v := a.value("bastion", cty.DynamicPseudoType, false)
	if v.IsNull() {
		return ""
	}
	if !v.Type().Equals(hostType) {
		a.add(errorAt(e.rng, "Invalid value", "The argument \"bastion\" is a host, such as host.jump."))
		return ""
	}
	return v.GetAttr("name").AsString()
}

// duration is a length of time such as 10s or 5m.
func (a *blockArgs) duration(name string, otherwise time.Duration) time.Duration {
	text := a.text(name)
	if text == "" {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		a.add(errorAt(a.args[name].rng, "Invalid duration", "The argument %q is a length of time with its unit, such as \"10s\" or \"5m\", and %q is not.", name, text))
		return otherwise
	}
	return d
}

// checkConnections refuses two hosts at one end, and bastions that lead in a
// circle.
func (s *Spec) checkConnections(hosts []madeHost) hcl.Diagnostics {
	var diags hcl.Diagnostics
	type endpoint struct {
		host, bastion string
		port          int
	}
	first := map[endpoint]string{}
	for _, h := range hosts {
		c := h.Connection
		e := endpoint{c.Host, c.Bastion, c.Port}
		if other, ok := first[e]; ok {
			diags = append(diags, errorAt(c.Range, "Duplicate endpoint", "The hosts %s and %s are both reached at %s port %d. Give each its own host or port.", other, h.Name, c.Host, c.Port))
		}
		first[e] = h.Name
		way := []string{h.Name}
		for b := c.Bastion; b != ""; b = s.hosts[s.hostIndex[b]].Connection.Bastion {
			if i := slices.Index(way, b); i >= 0 {
				if i == 0 { // else it is reported for a host on the circle
					diags = append(diags, errorAt(c.Range, "Bastions in a circle", "The way to %s leads through itself: %s. Take the bastion from one of them.", h.Name, strings.Join(append(way, b), " → ")))
				}
				break
			}
			way = append(way, b)
		}
	}
	return diags
}
