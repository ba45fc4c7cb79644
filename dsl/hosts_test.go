package dsl

import (
	"testing"
	"time"
)

func TestHosts(t *testing.T) {
	s, _ := expand(t, "-- main.kplan.hcl --\n"+`
connection {
  user             = "admin"
  become           = "sudo"
  known_hosts_file = "known_hosts"
  bastion          = host.jump
  bootstrap {
    user     = "vagrant"
    password = "vagrant"
  }
}
host "jump" { address = "192.0.2.1" }
host "web" {
  for_each = { a = "10.0.0.1", b = "10.0.0.2" }
  name     = "web-${each.key}"
  address  = each.value
  roles    = ["web"]
  connection {
    user             = "root"
    port             = 2200
    become           = "none"
    private_key_file = "~/.ssh/id"
    timeout          = "30s"
    bootstrap {
      port = 22
    }
  }
}
`)
	hosts := s.Hosts()
	if len(hosts) != 3 {
		t.Fatalf("%d hosts", len(hosts))
	}
	jump, a := hosts[0], hosts[1]
	equal(t, "names", []string{jump.Name, a.Name, hosts[2].Name}, []string{"jump", "web-a", "web-b"})
	equal(t, "address", a.Address, "10.0.0.1")
	c := a.Connection
	equal(t, "user", c.User, "root")
	equal(t, "host", c.Host, "10.0.0.1")
	equal(t, "port", c.Port, 2200)
	equal(t, "become", c.Become, "none")
	equal(t, "become_user", c.BecomeUser, "root")
	equal(t, "known_hosts", c.KnownHostsFile, s.dir+"/known_hosts")
	equal(t, "key", c.PrivateKeyFile, "~/.ssh/id")
	equal(t, "agent", c.Agent, false)
	equal(t, "bastion", c.Bastion, "jump")
	equal(t, "timeout", c.Timeout, 30*time.Second)
	equal(t, "bootstrap", []any{c.Bootstrap.User, c.Bootstrap.Password, c.Bootstrap.Port}, []any{"vagrant", "vagrant", 22})
	j := jump.Connection
	equal(t, "bastion of the bastion", j.Bastion, "")
	equal(t, "defaults", []any{j.Port, j.Agent, j.Timeout, j.User}, []any{22, true, 10 * time.Second, "admin"})
}

// Of the spec's connection a local host has what does not concern SSH.
func TestLocalHost(t *testing.T) {
	s, _ := expand(t, "-- main.kplan.hcl --\n"+`
connection {
  user             = "ops"
  private_key_file = "~/.ssh/id"
  known_hosts_file = "known_hosts"
  port             = 2222
  become           = "sudo"
  bastion          = host.jump
  timeout          = "30s"
  bootstrap {
    user = "vagrant"
  }
}
host "jump" { address = "192.0.2.1" }
host "my" {
  for_each = { laptop = true, web = false }
  name     = each.key
  address  = "${each.key}.example.org"
  connection {
    local = each.value
    user  = each.value ? null : "root"
  }
}
`)
	laptop, web := s.Hosts()[1], s.Hosts()[2]
	equal(t, "laptop", laptop.Connection, Connection{
		Local: true, Become: "sudo", BecomeUser: "root", Timeout: 30 * time.Second, Range: laptop.Connection.Range,
	})
	equal(t, "web", []any{web.Connection.Local, web.Connection.User, web.Connection.Bastion}, []any{false, "root", "jump"})
}

func TestHostNames(t *testing.T) {
	for name, want := range map[string]bool{
		"a": true, "k8s-node1": true, "10-node": true, "a.example.com": true,
		"": false, "A": false, "k8s_node1": false, "-x": false, "x-": false, "a..b": false, "é": false,
		string(make([]byte, 254)): false,
	} {
		equal(t, name, hostName(name), want)
	}
}

func TestOn(t *testing.T) {
	_, e := expand(t, spec(`
resource "swap" "all" {
  on      = hosts
  enabled = false
}
resource "swap" "one" {
  on      = host.n2
  enabled = false
}
resource "swap" "role" {
  on      = role.worker
  enabled = false
}
resource "swap" "index" {
  on      = [host["n3"], host.n1, host.n3]
  enabled = false
}
resource "swap" "where" {
  on      = [for h in hosts : h if h.os == null && h.name != "n3"]
  enabled = false
}
resource "swap" "none" {
  on      = []
  enabled = false
}
`))
	equal(t, "instances", addresses(e), []string{
		"swap.all@n1", "swap.all@n2", "swap.all@n3", "swap.one@n2", "swap.role@n2", "swap.role@n3",
		"swap.index@n3", "swap.index@n1", "swap.where@n2",
	})
}
