# A Kubernetes cluster made by kubeadm: a control plane of one or more hosts, and
# workers.

variable "kubernetes_version" {
  description = "The version of Kubernetes, in full."
  type        = string
  validation {
    condition     = can(regex("^1\\.(3[1-6])\\.[0-9]+$", var.kubernetes_version))
    error_message = "Write the full version, such as 1.34.4. Those from 1.31 to 1.36 are known."
  }
}

variable "control_plane" {
  description = "The hosts of the control plane."
  type        = list(host)
  validation {
    condition     = length(var.control_plane) > 0
    error_message = "A control plane has at least one host."
  }
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

variable "allow_even_control_planes" {
  description = "Take an even number of control planes, as while one is being replaced."
  type        = bool
  default     = false
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
}

variable "service_cidr" {
  description = "The range of the services' addresses."
  type        = string
  default     = "10.96.0.0/16"
  validation {
    condition     = can(cidrhost(var.service_cidr, 1)) && var.service_cidr != var.pod_cidr
    error_message = "Write a range of addresses other than that of the pods, such as 10.96.0.0/16."
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

variable "container_runtime_version" {
  description = "The version of containerd that is installed: 1.6 on Debian 12."
  type        = string
  default     = "1.6"
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
