# Whether the cluster works. It is waited for once something of it has changed; where
# it does not, that is a warning. With no pod network yet its nodes are never Ready.

resource "cluster_health" "main" {
  count      = var.network == "none" ? 0 : 1
  on         = [for i, h in var.control_plane : h if i == 0]
  on_change  = [kubeadm_control_plane.main, kubeadm_join.worker, manifest.flannel, kubeadm_addon.main]
  depends_on = [kubeadm_control_plane.main, kubeadm_join.worker, manifest.flannel, kubeadm_addon.main]
}

check "health" {
  assert {
    condition     = alltrue([for h in flatten(values(all.cluster_health.main)) : h.nodes])
    error_message = "Not every node is Ready: ${join("; ", [for h in flatten(values(all.cluster_health.main)) : h.problems])}. Look with kubectl describe node."
  }
  assert {
    condition     = alltrue([for h in flatten(values(all.cluster_health.main)) : h.dns])
    error_message = "Names of services are not resolved: ${join("; ", [for h in flatten(values(all.cluster_health.main)) : h.problems])}. Look with kubectl -n kube-system describe pods -l k8s-app=kube-dns."
  }
  assert {
    condition     = alltrue([for h in flatten(values(all.cluster_health.main)) : h.pod_network])
    error_message = "Pods are not reached from the control plane: ${join("; ", [for h in flatten(values(all.cluster_health.main)) : h.problems])}. Look at the pods of the network, with kubectl -n kube-flannel get pods."
  }
  assert {
    condition     = alltrue([for h in flatten(values(all.cluster_health.main)) : h.service_address])
    error_message = "Services are not reached: ${join("; ", [for h in flatten(values(all.cluster_health.main)) : h.problems])}. Look at kube-proxy, with kubectl -n kube-system logs -l k8s-app=kube-proxy."
  }
}
