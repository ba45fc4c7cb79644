package dsl

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// hostBlock is a host block, of one host or, with for_each, of many.
type hostBlock struct {
	label      string
	rng        hcl.Range // header
	labelRng   hcl.Range
	forEach    *expr
	args       map[string]*expr // name, address, roles, labels, os
	connection *connectionBlock
}

// connectionBlock is a connection block or the bootstrap in one.
type connectionBlock struct {
	rng       hcl.Range
	args      map[string]*expr
	bootstrap *connectionBlock
}

var (
	hostArgs       = []string{"name", "address", "roles", "labels", "os"}
	connectionArgs = []string{
		"host", "port", "user", "private_key_file", "private_key", "certificate_file", "password", "agent",
		"known_hosts_file", "host_key", "become", "become_user", "become_password", "bastion", "timeout", "local",
	}
	// localArgs are those that a host takes which is this machine.
	localArgs     = []string{"become", "become_user", "become_password", "timeout", "local"}
	bootstrapArgs = []string{"host", "port", "user", "password", "private_key_file", "private_key"}
)

// secretArgs are the arguments of a connection that are never shown.
var secretArgs = map[string]bool{"private_key": true, "password": true, "become_password": true}

func (c *collector) host(b *hclsyntax.Block) {
	c.body(b, append([]string{"for_each"}, hostArgs...), []string{"connection"})
	h := &hostBlock{label: b.Labels[0], rng: b.DefRange(), labelRng: b.LabelRanges[0]}
	h.args = arguments(b, hostArgs)
	if a := b.Body.Attributes["for_each"]; a != nil {
		h.forEach = newExpr(a, "for_each")
	}
	if n := h.args["name"]; h.forEach == nil && n != nil {
		c.add(errorAt(n.rng, "Unexpected argument", "The name of a host is the label of its block. The argument \"name\" goes with for_each, where one block makes many hosts."))
	}
	if h.forEach != nil {
		c.required(b, "name")
	}
	c.required(b, "address")
	for i, n := range blocksOf(b, "connection") {
		if i > 0 {
			c.duplicate(n.DefRange(), "The connection of this host", h.connection.rng)
			break
		}
		h.connection = c.connection(n)
	}
	c.mod.hosts = append(c.mod.hosts, h)
}

func (c *collector) connection(b *hclsyntax.Block) *connectionBlock {
	c.body(b, connectionArgs, []string{"bootstrap"})
	k := &connectionBlock{rng: b.DefRange(), args: arguments(b, connectionArgs)}
	for i, n := range blocksOf(b, "bootstrap") {
		if i > 0 {
			c.duplicate(n.DefRange(), "The bootstrap of this connection", k.bootstrap.rng)
			break
		}
		c.body(n, bootstrapArgs, nil)
		k.bootstrap = &connectionBlock{rng: n.DefRange(), args: arguments(n, bootstrapArgs)}
	}
	return k
}

// arguments is those of the block's arguments that have one of the names.
func arguments(b *hclsyntax.Block, names []string) map[string]*expr {
	args := map[string]*expr{}
	for _, n := range names {
		if a := b.Body.Attributes[n]; a != nil {
			args[n] = newExpr(a, n)
		}
	}
	return args
}
