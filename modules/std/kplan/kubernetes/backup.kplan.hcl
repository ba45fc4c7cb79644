# Snapshots of etcd, where they are asked for.

variable "etcd_snapshot" {
  description = "Snapshots of etcd on the hosts of the control plane: when, how many are kept, and where. {} for the defaults, null for none."
  type = object({
    schedule = optional(string, "daily")
    keep     = optional(number, 7)
    path     = optional(string, "/var/backups/etcd")
  })
  default = null
}

resource "etcd_snapshot" "main" {
  count      = var.etcd_snapshot == null ? 0 : 1
  on         = var.control_plane
  schedule   = var.etcd_snapshot.schedule
  keep       = var.etcd_snapshot.keep
  path       = var.etcd_snapshot.path
  depends_on = [kubeadm_control_plane.main]
}
