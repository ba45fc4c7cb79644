# What every node needs before kubeadm: names, no swap, the kernel's settings,
# a container runtime, and the packages at one version.

locals {
  nodes = distinct(concat(var.control_plane, var.workers))
}

resource "hostname" "node" {
  on   = local.nodes
  name = each.host.name
}

resource "hosts_file" "nodes" {
  on      = anytrue([for n in local.nodes : can(cidrhost("${n.address}/32", 0))]) ? local.nodes : []
  entries = { for n in local.nodes : n.address => [n.name] if can(cidrhost("${n.address}/32", 0)) }
}

resource "swap" "off" {
  on      = local.nodes
  enabled = false
}

resource "kernel_module" "node" {
  for_each = toset(["br_netfilter", "overlay"])
  on       = local.nodes
  name     = each.key
  loaded   = true
}

resource "sysctl" "node" {
  for_each = toset([
    "net.bridge.bridge-nf-call-ip6tables",
    "net.bridge.bridge-nf-call-iptables",
    "net.ipv4.ip_forward",
  ])
  on         = local.nodes
  key        = each.key
  value      = "1"
  depends_on = [kernel_module.node]
}

resource "package" "tools" {
  for_each   = toset(["conntrack", "containerd", "ebtables", "ethtool", "iptables", "socat"])
  on         = local.nodes
  name       = each.key
  depends_on = [package_repository.kubernetes] # so that all packages are installed in one transaction
}

resource "containerd" "node" {
  on                     = local.nodes
  version                = var.container_runtime_version
  sandbox_image          = "${var.image_repository}/pause:${local.release.images.pause}"
  registries             = var.registry_mirrors
  restrict_oom_score_adj = var.restrict_oom_score_adj
  depends_on             = [package.tools]
  lifecycle {
    precondition {
      condition     = try([for v in [regex("^([0-9]+)\\.([0-9]+)\\.", package.tools["containerd"].installed_version)] : tonumber(v[0]) * 1000 + tonumber(v[1])][0], local.reads) >= local.reads
      error_message = "On ${each.host.name} containerd ${package.tools["containerd"].installed_version} is installed, which does not read the configuration of ${var.container_runtime_version} (container_runtime_version). Write the version that is installed, or install a newer one on the machine."
    }
  }
}

resource "service" "containerd" {
  on        = local.nodes
  name      = "containerd"
  enabled   = true
  running   = true
  on_change = [containerd.node]
}

resource "package_repository" "kubernetes" {
  on     = local.nodes
  name   = "kubernetes"
  uri    = "${trim(var.package_mirror, "/")}/${format(local.versions.packages.path, local.minor)}"
  suites = ["/"]
  key    = var.package_key
}

resource "package" "kubernetes" {
  for_each   = toset(["kubeadm", "kubectl", "kubelet"])
  on         = local.nodes
  name       = each.key
  version    = "${var.kubernetes_version}${local.versions.packages.revision}"
  hold       = true
  depends_on = [package_repository.kubernetes]
}

# So that no node waits for them once it is one.
resource "container_image" "node" {
  for_each   = toset(local.images.node)
  on         = local.nodes
  ref        = each.key
  depends_on = [service.containerd, package.kubernetes]
}

resource "container_image" "control_plane" {
  for_each   = toset(local.images.control_plane)
  on         = var.control_plane
  ref        = each.key
  depends_on = [service.containerd, package.kubernetes]
}

# It runs once kubeadm has configured it.
resource "service" "kubelet" {
  on         = local.nodes
  name       = "kubelet"
  enabled    = true
  depends_on = [package.kubernetes]
  lifecycle {
    precondition {
      condition     = each.host.facts.cgroup_version >= local.release.cgroup || try(var.kubelet.failCgroupV1, true) == false
      error_message = "The kubelet of Kubernetes ${local.minor} does not start on ${each.host.name}, which has cgroups v${each.host.facts.cgroup_version}. Boot it with cgroups v${local.release.cgroup}, or set kubelet = { failCgroupV1 = false }."
    }
  }
}
