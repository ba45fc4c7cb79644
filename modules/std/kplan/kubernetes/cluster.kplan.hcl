# The cluster: its control plane, the pod network, the workers.

locals {
  first    = try(var.control_plane[0].address, "") # a control plane of no host is refused, once
  endpoint = coalesce(var.endpoint, strcontains(local.first, ":") ? "[${local.first}]:6443" : "${local.first}:6443")
  api      = try(regex("^\\[?(?P<host>.*?)\\]?:(?P<port>[0-9]+)$", local.endpoint), { host = "", port = "0" })
}

resource "kubeadm_config" "main" {
  on                = var.control_plane
  version           = var.kubernetes_version
  name              = each.host.name
  advertise_address = can(cidrhost("${each.host.address}/32", 0)) ? each.host.address : null
  endpoint          = local.endpoint
  pod_cidr          = var.pod_cidr
  service_cidr      = var.service_cidr
  image_repository  = var.image_repository
  kubelet           = yamlencode(merge({ cgroupDriver = "systemd" }, var.kubelet))
  kube_proxy        = yamlencode(var.kube_proxy)
  skip_phases       = contains(var.addons, "kube-proxy") ? ["addon/coredns"] : ["addon/coredns", "addon/kube-proxy"]
  depends_on        = [package.kubernetes]
}

resource "kubeadm_control_plane" "main" {
  on         = var.control_plane
  config     = kubeadm_config.main.path
  version    = var.kubernetes_version
  members    = var.control_plane
  endpoint   = local.endpoint
  on_change  = [kubeadm_config.main]
  depends_on = [kubeadm_config.main, hostname.node, hosts_file.nodes, swap.off, sysctl.node, service.kubelet, container_image.node, container_image.control_plane]
}

resource "manifest" "flannel" {
  count      = var.network == "flannel" ? 1 : 0
  on         = [for i, h in var.control_plane : h if i == 0]
  name       = "flannel"
  content    = templatefile("kube-flannel.yaml", merge(local.api, { pod_cidr = var.pod_cidr }))
  wait       = false # its pods wait for the nodes
  depends_on = [kubeadm_control_plane.main]
}

# Objects of their own, so that they are brought again where they were deleted. kubeadm init
# brings kube-proxy itself: CoreDNS, which comes after the pod network, is not ready before it.
resource "kubeadm_addon" "main" {
  for_each   = toset(var.addons)
  on         = [for i, h in var.control_plane : h if i == 0]
  name       = each.key
  config     = kubeadm_config.main.path
  depends_on = [kubeadm_control_plane.main, manifest.flannel]
}

resource "kubeadm_join" "worker" {
  on         = var.workers
  cluster    = all.kubeadm_control_plane.main
  on_change  = [kubeadm_config.main] # after the control plane, which brings it to the cluster
  depends_on = [hostname.node, hosts_file.nodes, swap.off, sysctl.node, service.kubelet, container_image.node]
}

output "endpoint" {
  value = local.endpoint
}

output "ca_hash" {
  value = [for p in all.kubeadm_control_plane.main : p.ca_hash][0]
}
