# The cluster: its control plane, the pod network, the workers.

locals {
  endpoint = coalesce(var.endpoint, "${var.control_plane[0].address}:6443")
}

resource "file" "kubeadm" {
  on   = var.control_plane
  path = "/etc/kubernetes/kubeadm.yaml"
  mode = "0600"
  content = join("---\n", [
    yamlencode({
      apiVersion       = "kubeadm.k8s.io/v1beta4"
      kind             = "InitConfiguration"
      localAPIEndpoint = { advertiseAddress = each.host.address }
      nodeRegistration = { name = each.host.name, criSocket = "unix:///run/containerd/containerd.sock" }
    }),
    yamlencode({
      apiVersion           = "kubeadm.k8s.io/v1beta4"
      kind                 = "ClusterConfiguration"
      kubernetesVersion    = "v${var.kubernetes_version}"
      controlPlaneEndpoint = local.endpoint
      imageRepository      = var.image_repository
      networking           = { podSubnet = var.pod_cidr, serviceSubnet = var.service_cidr }
    }),
    yamlencode(merge({
      apiVersion   = "kubelet.config.k8s.io/v1beta1"
      kind         = "KubeletConfiguration"
      cgroupDriver = "systemd"
    }, var.kubelet)),
    yamlencode(merge({
      apiVersion = "kubeproxy.config.k8s.io/v1alpha1"
      kind       = "KubeProxyConfiguration"
    }, var.kube_proxy)),
  ])
  depends_on = [package.kubernetes]
}

resource "kubeadm_control_plane" "main" {
  on         = var.control_plane
  config     = file.kubeadm.path
  version    = var.kubernetes_version
  members    = var.control_plane
  endpoint   = local.endpoint
  depends_on = [file.kubeadm, hostname.node, hosts_file.nodes, swap.off, sysctl.node, service.containerd, service.kubelet]
}

resource "manifest" "flannel" {
  count      = var.network == "flannel" ? 1 : 0
  on         = var.control_plane[0]
  name       = "flannel"
  content    = replace(file("kube-flannel.yaml"), "10.244.0.0/16", var.pod_cidr)
  wait       = false # its pods wait for the nodes
  depends_on = [kubeadm_control_plane.main]
}

resource "kubeadm_join" "worker" {
  on         = var.workers
  cluster    = all.kubeadm_control_plane.main
  depends_on = [hostname.node, hosts_file.nodes, swap.off, sysctl.node, service.containerd, service.kubelet]
}

output "endpoint" {
  value = local.endpoint
}

output "ca_hash" {
  value = [for p in all.kubeadm_control_plane.main : p.ca_hash][0]
}
