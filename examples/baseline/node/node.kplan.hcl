# One machine made ready for kubeadm.

variable "nodes" {
  type = list(host)
}

locals {
  bridge = {
    "net.bridge.bridge-nf-call-iptables"  = "1"
    "net.bridge.bridge-nf-call-ip6tables" = "1"
    "net.ipv4.ip_forward"                 = "1"
  }
}

resource "hostname" "this" {
  on   = var.nodes
  name = each.host.name
}

resource "hosts_file" "nodes" {
  on      = var.nodes
  entries = { for n in var.nodes : n.address => [n.name] }
}

resource "swap" "off" {
  on      = var.nodes
  enabled = false
}

resource "file" "modules" {
  on      = var.nodes
  path    = "/etc/modules-load.d/k8s.conf"
  content = "overlay\nbr_netfilter\n"
}

resource "service" "modules_load" {
  on        = var.nodes
  name      = "systemd-modules-load.service"
  running   = true
  on_change = [file.modules]
}

resource "sysctl" "bridge" {
  for_each   = local.bridge
  on         = var.nodes
  key        = each.key
  value      = each.value
  depends_on = [service.modules_load]
}

resource "package" "tools" {
  for_each = toset(["conntrack", "socat"])
  on       = var.nodes
  name     = each.key
}

resource "directory" "manifests" {
  on   = var.nodes
  path = "/etc/kubernetes"
  mode = "0755"
}

resource "file" "note" {
  on         = var.nodes
  path       = "/etc/kubernetes/README"
  content    = "This machine is managed by kplan; changes by hand are found and repaired.\n"
  depends_on = [directory.manifests]
}
