# What the tutorial types by hand on each of its three machines before
# Kubernetes is installed: names, addresses, swap, kernel modules, sysctls and
# the packages that kubeadm wants to find.

kplan {
  required_version = ">= 0.1"
}

variable "private_key_file" {
  description = "The key that opens the machines."
  type        = string
  default     = "~/.ssh/id_ed25519"
}

variable "known_hosts_file" {
  description = "The machines' host keys, reviewed with this spec. `kplan hosts scan --write` fills it."
  type        = string
  default     = "known_hosts"
}

connection {
  user             = "root"
  private_key_file = var.private_key_file
  known_hosts_file = var.known_hosts_file
}

host "k8s-node1" {
  address = "10.0.2.15"
  roles   = ["control-plane"]
}

host "k8s-node2" {
  address = "10.0.2.24"
  roles   = ["worker"]
}

host "k8s-node3" {
  address = "10.0.2.25"
  roles   = ["worker"]
}

module "node" {
  source = "./node"
  nodes  = hosts
}
