# Snapshots of etcd, where they are asked for.

variable "etcd_snapshot" {
  description = "Snapshots of etcd on the hosts of the control plane: when, how many are kept, and where. {} for the defaults, null for none."
  type = object({
    schedule = optional(string, "daily")
    keep     = optional(number, 7)
    path     = optional(string, "/var/backups/etcd")
  })
  default = null
  validation {
    condition     = var.etcd_snapshot == null || try(var.etcd_snapshot.keep >= 1 && floor(var.etcd_snapshot.keep) == var.etcd_snapshot.keep, false)
    error_message = "At least one snapshot is kept. Write keep as a whole number from 1 on."
  }
  validation {
    condition     = var.etcd_snapshot == null || can(regex("^(/[^/]+)+$", var.etcd_snapshot.path)) && !can(regex("^/(etc/kubernetes|var/lib/etcd)(/|$)", var.etcd_snapshot.path))
    error_message = "Write path as that of a directory from the root, such as /var/backups/etcd, and not in /etc/kubernetes or /var/lib/etcd, which are what is saved."
  }
  validation {
    condition     = var.etcd_snapshot == null || can(regex("^\\S(.*\\S)?$", var.etcd_snapshot.schedule))
    error_message = "Write schedule as systemd.time(7) has calendar events, such as daily or *-*-* 03:00:00."
  }
}

resource "etcd_snapshot" "main" {
  count      = var.etcd_snapshot == null ? 0 : 1
  on         = var.control_plane
  schedule   = var.etcd_snapshot.schedule
  keep       = var.etcd_snapshot.keep
  path       = var.etcd_snapshot.path
  depends_on = [kubeadm_control_plane.main]
}
