# A Kubernetes cluster made by kubeadm: a control plane of one or more hosts, and
# workers.

variable "kubernetes_version" {
  description = "The version of Kubernetes, in full."
  type        = string
  validation {
    condition     = can(regex("^[0-9]+\\.[0-9]+\\.[0-9]+$", var.kubernetes_version)) && contains(keys(local.versions.kubernetes), local.minor)
    error_message = "Write the full version, such as 1.34.4. Those of ${join(", ", keys(local.versions.kubernetes))} are known."
  }
}

variable "control_plane" {
  description = "The hosts of the control plane."
  type        = list(host)
  validation {
    condition     = length(var.control_plane) > 0
    error_message = "A cluster has no control plane without a host. Name one."
  }
  validation {
    condition     = length(var.control_plane) == 0 || length(var.control_plane) % 2 == 1 || var.allow_even_control_planes
    error_message = "A control plane of ${length(var.control_plane)} hosts stands the loss of no more of them than one of ${length(var.control_plane) - 1}, since etcd needs a majority. Make their number odd, or set allow_even_control_planes = true."
  }
  validation {
    condition     = length(var.control_plane) < 2 || var.endpoint != null
    error_message = "A control plane of several hosts is reached at one address that outlives each of them. Set endpoint to ADDRESS:PORT of a load balancer before them."
  }
  validation {
    condition     = length(var.control_plane) < 2 || !contains([for h in var.control_plane : h.address], try(local.addresses.endpoint, ""))
    error_message = "The endpoint ${coalesce(var.endpoint, "")} is the address of one host of the control plane, without which the others would not be reached. Set it to ADDRESS:PORT of a load balancer before them."
  }
  validation {
    condition     = length(var.control_plane) < 2 || alltrue([for h in var.control_plane : can(cidrhost("${h.address}/32", 0))])
    error_message = "Members of a control plane talk to each other by IP addresses. Write these as the address of ${join(", ", [for h in var.control_plane : h.name if !can(cidrhost("${h.address}/32", 0))])}, and names, if need be, as the host in a connection block."
  }
}

variable "allow_even_control_planes" {
  description = "Accept an even number of hosts as the control plane, such as while one is replaced."
  type        = bool
  default     = false
  nullable    = false
}

variable "workers" {
  description = "The hosts that only run pods."
  type        = list(host)
  default     = []
  validation {
    condition     = length(setintersection([for h in var.workers : h.name], [for h in var.control_plane : h.name])) == 0
    error_message = "A host is of the control plane or a worker, not both."
  }
}

variable "endpoint" {
  description = "ADDRESS:PORT at which the API is reached; null for the address of the control plane."
  type        = string
  default     = null
  validation {
    condition     = var.endpoint == null || can(regex(":[0-9]+$", var.endpoint))
    error_message = "Write ADDRESS:PORT, such as 10.0.2.15:6443."
  }
}

variable "pod_cidr" {
  description = "The range of the pods' addresses."
  type        = string
  default     = "10.244.0.0/16"
  validation {
    condition     = can(cidrhost(var.pod_cidr, 1))
    error_message = "Write a range of addresses, such as 10.244.0.0/16."
  }
  validation {
    condition     = try(cidrsubnet(var.pod_cidr, 0, 0) == var.pod_cidr, true)
    error_message = "The range ${var.pod_cidr} has host bits set. Write ${cidrsubnet(var.pod_cidr, 0, 0)}."
  }
  validation {
    condition     = !anytrue([for address in values(local.addresses) : try(cidrcontains(var.pod_cidr, address), false)])
    error_message = "In the range of the pods, ${var.pod_cidr}, lie addresses that are taken: ${join(", ", [for name, address in local.addresses : "${address} (${name})" if try(cidrcontains(var.pod_cidr, address), false)])}. Write a range that lies elsewhere."
  }
}

variable "service_cidr" {
  description = "The range of the services' addresses."
  type        = string
  default     = "10.96.0.0/16"
  validation {
    condition     = can(cidrhost(var.service_cidr, 1))
    error_message = "Write a range of addresses, such as 10.96.0.0/16."
  }
  validation {
    condition     = try(cidrsubnet(var.service_cidr, 0, 0) == var.service_cidr, true)
    error_message = "The range ${var.service_cidr} has host bits set. Write ${cidrsubnet(var.service_cidr, 0, 0)}."
  }
  validation {
    condition     = !try(cidrcontains(var.service_cidr, var.pod_cidr) || cidrcontains(var.pod_cidr, var.service_cidr), false)
    error_message = "The ranges of the pods (${var.pod_cidr}) and of the services (${var.service_cidr}) have addresses in common. Write one that lies elsewhere."
  }
  validation {
    condition     = !anytrue([for address in values(local.addresses) : try(cidrcontains(var.service_cidr, address), false)])
    error_message = "In the range of the services, ${var.service_cidr}, lie addresses that are taken: ${join(", ", [for name, address in local.addresses : "${address} (${name})" if try(cidrcontains(var.service_cidr, address), false)])}. Write a range that lies elsewhere."
  }
}

variable "image_repository" {
  description = "Where the control plane's images come from."
  type        = string
  default     = "registry.k8s.io"
}

variable "package_mirror" {
  description = "Where the packages of Kubernetes come from, laid out as https://pkgs.k8s.io."
  type        = string
  default     = "https://pkgs.k8s.io"
}

variable "package_key" {
  description = "The key that signs them: the content of their Release.key, reviewed with the spec."
  type        = string
  validation {
    condition     = startswith(var.package_key, "-----BEGIN PGP PUBLIC KEY BLOCK-----")
    error_message = "Write file(\"kubernetes.asc\") for a file with the key in armored text."
  }
}

variable "registry_mirrors" {
  description = "Mirrors of image registries, by the registry's name; _default stands for all others."
  type        = map(list(string))
  default     = {}
}

variable "container_runtime" {
  description = "What runs the containers: containerd."
  type        = string
  default     = "containerd"
  validation {
    condition     = var.container_runtime == "containerd"
    error_message = "Nodes run containerd here. Kubernetes runs containers by Docker only through cri-dockerd, which is not set up."
  }
}

variable "container_runtime_version" {
  description = "The version of containerd that is installed: 1.6 on Debian 12."
  type        = string
  default     = "1.6"
  validation {
    condition     = can(regex("^[0-9]{1,3}\\.[0-9]{1,3}(\\.[0-9]{1,3})?$", var.container_runtime_version))
    error_message = "Write the version of containerd, such as 1.7.28 or 2.1."
  }
  validation {
    condition     = !can(regex(local.versions.containerd_too_old, var.container_runtime_version))
    error_message = "Kubernetes ${var.kubernetes_version} does not start with containerd ${var.container_runtime_version}, which does not speak the CRI v1. Install containerd 1.6 or later, such as ${join(", ", local.release.containerd)}."
  }
}

variable "restrict_oom_score_adj" {
  description = "For nodes that may not make a process less likely to be killed, such as containers."
  type        = bool
  default     = null
}

variable "network" {
  description = "The pod network: flannel, or none for one that is installed otherwise."
  type        = string
  default     = "flannel"
  validation {
    condition     = contains(["flannel", "none"], var.network)
    error_message = "The network is flannel or none."
  }
  validation {
    condition     = var.network != "flannel" || !can(regex(":", var.pod_cidr))
    error_message = "Flannel is set up for IPv4 here. Write a pod_cidr such as 10.244.0.0/16, or network = \"none\" and install a pod network for ${var.pod_cidr}."
  }
}

variable "addons" {
  description = "The addons of kubeadm. Leave kube-proxy out where the pod network does its work."
  type        = list(string)
  default     = ["coredns", "kube-proxy"]
  nullable    = false
  validation {
    condition     = alltrue([for a in var.addons : contains(["coredns", "kube-proxy"], a)])
    error_message = "kubeadm's addons are coredns and kube-proxy. Bring others as a manifest."
  }
}

variable "kubelet" {
  description = "What the kubelets' configuration says beside cgroupDriver (kubelet.config.k8s.io/v1beta1)."
  type        = any
  default     = {}
}

variable "kube_proxy" {
  description = "What kube-proxy's configuration says (kubeproxy.config.k8s.io/v1alpha1)."
  type        = any
  default     = {}
}
