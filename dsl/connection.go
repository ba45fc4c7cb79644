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
	if spec != nil && spec.args["local"] != nil {
		diags = append(diags, errorAt(spec.args["local"].rng, "Unexpected argument", "This connection is of all hosts, and they are not all the machine that kplan runs on. Write local = true in the connection of that host."))
	}
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
	c.Become = or(a.text("become"), "none")
	c.BecomeUser = or(a.text("become_user"), "root")
	c.BecomePassword = a.text("become_password")
	c.Timeout = a.duration("timeout", 10*time.Second)
	if !slices.Contains([]string{"none", "sudo", "doas", "su"}, c.Become) {
		a.add(errorAt(a.args["become"].rng, "Invalid value", "The argument \"become\" is none, sudo, doas or su.%s", suggest(c.Become, []string{"none", "sudo", "doas"})))
	}
	if v := a.value("local", cty.Bool, false); !v.IsNull() && v.True() {
		c.Local = true
		a.onlyLocal(h.block.connection)
		return c, a.diags
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
	c.Agent = c.PrivateKeyFile == "" && c.PrivateKey == "" && c.Password == ""
	if v := a.value("agent", cty.Bool, false); !v.IsNull() {
		c.Agent = v.True()
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

// onlyLocal refuses what the connection of a host that is this machine says of
// SSH. What the spec's connection says of it is for the other hosts.
func (a *blockArgs) onlyLocal(own *connectionBlock) {
	if own == nil || own.args["local"] == nil {
		return // the spec's says local, which is refused there
	}
	var names []string
	for _, name := range connectionArgs {
		if e := own.args[name]; e != nil && !slices.Contains(localArgs, name) && !a.value(name, cty.DynamicPseudoType, true).IsNull() {
			names = append(names, name)
		}
	}
	if own.bootstrap != nil {
		names = append(names, "bootstrap")
	}
	if len(names) > 0 {
		a.add(errorAt(own.args["local"].rng, "Local and over SSH", "With local = true, the host is the machine that kplan runs on, and nothing goes over SSH. Leave out %s, or local.", strings.Join(names, ", ")))
	}
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

// checkConnections refuses two hosts at one end, and bastions that lead nowhere
// or in a circle.
func (s *Spec) checkConnections(hosts []madeHost) hcl.Diagnostics {
	var diags hcl.Diagnostics
	type endpoint struct {
		host, bastion string
		port          int
	}
	first := map[endpoint]string{}
	here, told := "", map[hcl.Range]bool{}
	for _, h := range hosts {
		c := h.Connection
		if c.Local {
			if here != "" {
				diags = append(diags, errorAt(c.Range, "Duplicate endpoint", "The hosts %s and %s are both the machine that kplan runs on. Keep local = true in one of them only.", here, h.Name))
			}
			here = h.Name
			continue
		}
		e := endpoint{canonical(c.Host), c.Bastion, c.Port}
		if other, ok := first[e]; ok {
			diags = append(diags, errorAt(c.Range, "Duplicate endpoint", "The hosts %s and %s are both reached at %s port %d. Give each its own host or port.", other, h.Name, c.Host, c.Port))
		}
		first[e] = h.Name
		if c.Bastion != "" && s.hosts[s.hostIndex[c.Bastion]].Connection.Local && !told[c.Range] {
			told[c.Range] = true // once for each block
			diags = append(diags, errorAt(c.Range, "Bastion is this machine", "The bastion %s is the machine that kplan runs on, so that the way to %s leads straight there. Leave bastion out.", c.Bastion, h.Name))
		}
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
