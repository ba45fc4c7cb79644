# Who has access to the cluster: root on the control plane, so that kubectl works
# there at once. The output gives it to others.

resource "kubeconfig" "root" {
  on      = var.control_plane
  path    = "/root/.kube/config"
  cluster = { (each.host.name) = kubeadm_control_plane.main }
}

# For a kubeconfig elsewhere: cluster = module.NAME.access.
output "access" {
  value = { for name, c in all.kubeadm_control_plane.main : name => { endpoint = c.endpoint, ca_hash = c.ca_hash } }
}
