# A Kubernetes cluster of three machines.

connection {
  user             = "root"
  private_key_file = "~/.ssh/id_ed25519"
  known_hosts_file = "known_hosts"
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

module "cluster" {
  source             = "kplan/kubernetes"
  kubernetes_version = "1.34.4"
  control_plane      = role.control-plane
  workers            = role.worker
  pod_cidr           = "10.244.0.0/16"
  service_cidr       = "10.96.0.0/16"
  package_key        = file("kubernetes.asc") # https://pkgs.k8s.io/core:/stable:/v1.34/deb/Release.key
}
