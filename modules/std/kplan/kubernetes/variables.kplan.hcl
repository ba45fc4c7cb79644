# A Kubernetes cluster made by kubeadm: a control plane of one or more hosts, and
# workers.

variable "kubernetes_version" {
  description = "The version of Kubernetes, in full."
  type        = string
  nullable    = false
  validation {
    condition     = can(regex("^[0-9]+\\.[0-9]+\\.[0-9]+$", var.kubernetes_version)) && contains(keys(local.versions.kubernetes), local.minor)
    error_message = "Write the full version, such as 1.34.4. Those of ${join(", ", keys(local.versions.kubernetes))} are known."
  }
}

variable "control_plane" {
  description = "The hosts of the control plane."
  type        = list(host)
  nullable    = false
  validation {
    condition     = length(var.control_plane) > 0
    error_message = "A cluster has no control plane without a host. Name one."
  }
  validation {
    condition     = length(local.control_plane) == 0 || length(local.control_plane) % 2 == 1 || var.allow_even_control_planes
    error_message = "A control plane of ${length(local.control_plane)} hosts stands the loss of no more of them than one of ${length(local.control_plane) - 1}, since etcd needs a majority. Make their number odd, or set allow_even_control_planes = true."
  }
  validation {
    condition     = length(local.control_plane) < 2 || var.endpoint != null
    error_message = "A control plane of several hosts is reached at one address that outlives each of them. Set endpoint to ADDRESS:PORT of a load balancer before them."
  }
  validation {
    condition     = length(local.unreached) == 0
    error_message = "Others do not reach ${join(", ", [for name in local.unreached : "${name} at ${local.addresses[name]}"])}. Write its address in a network; kplan's own way to it goes into a connection block."
  }
  validation {
    condition     = length(local.spellings) == 0
    error_message = "Write ${join(", ", [for name, address in local.spellings : "${address} as the address of ${name}"])}, which is how machines spell it."
  }
  validation {
    condition     = length(local.control_plane) < 2 || length(local.unreached) > 0 || alltrue([for h in var.control_plane : can(cidrhost("${h.address}/32", 0))])
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
  nullable    = false
  validation {
    condition     = length(local.both) == 0
    error_message = "A host is of the control plane or a worker, and ${join(", ", local.both)} would be both. Name each in one list."
  }
}

variable "endpoint" {
  description = "ADDRESS:PORT at which the API is reached; null for the address of the control plane."
  type        = string
  default     = null
  validation {
    condition     = var.endpoint == null || local.endpoint_works
    error_message = "Write ADDRESS:PORT, such as 10.0.2.15:6443, [fd00::15]:6443 or k8s.example.org:6443, without a scheme and in lower case."
  }
  validation {
    condition     = local.api.port != "6443" || length(setintersection(local.endpoint_at, [for h in var.workers : h.name])) == 0
    error_message = "The endpoint ${local.endpoint} is at ${join(", ", local.endpoint_at)}, a worker, where no API server listens. Write the address of the control plane, or of a load balancer before it."
  }
  validation {
    condition     = length(local.control_plane) < 2 || length(setintersection(local.endpoint_at, local.control_plane)) == 0
    error_message = "The endpoint ${local.endpoint} is at ${join(", ", local.endpoint_at)}, one host of the control plane, without which the others would not be reached. Set it to ADDRESS:PORT of a load balancer before them."
  }
}

variable "pod_cidr" {
  description = "The range of the pods' addresses."
  type        = string
  default     = "10.244.0.0/16"
  nullable    = false
  validation {
    condition     = can(cidrsubnet(var.pod_cidr, 0, 0))
    error_message = "Write one range of addresses, such as 10.244.0.0/16. kplan/kubernetes makes clusters of one family of addresses."
  }
  validation {
    condition     = try(cidrsubnet(var.pod_cidr, 0, 0) == var.pod_cidr, true)
    error_message = "The range ${var.pod_cidr} has host bits set. Write ${cidrsubnet(var.pod_cidr, 0, 0)}."
  }
  validation {
    condition     = try(contains(local.prefixes.pod_cidr, tonumber(split("/", var.pod_cidr)[1])), true)
    error_message = "kubeadm takes ranges of pods from /${min(local.prefixes.pod_cidr...)} to /${max(local.prefixes.pod_cidr...)}, of which it gives each node a /${max(local.prefixes.pod_cidr...)}, and not ${var.pod_cidr}."
  }
  validation {
    condition     = !contains(local.special, "pod_cidr")
    error_message = "No pod can have an address in ${var.pod_cidr}: it is loopback, link-local, multicast or unspecified. Write a range such as 10.244.0.0/16."
  }
  validation {
    condition     = length(local.taken.pod_cidr) == 0
    error_message = "In the range of the pods, ${var.pod_cidr}, lie addresses that are taken: ${join(", ", local.taken.pod_cidr)}. Write a range that lies elsewhere."
  }
  validation {
    condition     = !local.odd_pods
    error_message = local.families
  }
}

variable "service_cidr" {
  description = "The range of the services' addresses."
  type        = string
  default     = "10.96.0.0/16"
  nullable    = false
  validation {
    condition     = can(cidrsubnet(var.service_cidr, 0, 0))
    error_message = "Write one range of addresses, such as 10.96.0.0/16. kplan/kubernetes makes clusters of one family of addresses."
  }
  validation {
    condition     = try(cidrsubnet(var.service_cidr, 0, 0) == var.service_cidr, true)
    error_message = "The range ${var.service_cidr} has host bits set. Write ${cidrsubnet(var.service_cidr, 0, 0)}."
  }
  validation {
    condition     = try(contains(local.prefixes.service_cidr, tonumber(split("/", var.service_cidr)[1])), true)
    error_message = "kubeadm takes ranges of services from /${min(local.prefixes.service_cidr...)} to /${max(local.prefixes.service_cidr...)}, and not ${var.service_cidr}."
  }
  validation {
    condition     = !contains(local.special, "service_cidr")
    error_message = "No service can have an address in ${var.service_cidr}: it is loopback, link-local, multicast or unspecified. Write a range such as 10.96.0.0/16."
  }
  validation {
    condition     = !try(cidrcontains(var.service_cidr, var.pod_cidr) || cidrcontains(var.pod_cidr, var.service_cidr), false)
    error_message = "The ranges of the pods (${var.pod_cidr}) and of the services (${var.service_cidr}) have addresses in common. Write one that lies elsewhere."
  }
  validation {
    condition     = length(local.taken.service_cidr) == 0
    error_message = "In the range of the services, ${var.service_cidr}, lie addresses that are taken: ${join(", ", local.taken.service_cidr)}. Write a range that lies elsewhere."
  }
  validation {
    condition     = !local.mixed || local.odd_pods
    error_message = local.families
  }
}

variable "image_repository" {
  description = "Where the control plane's images come from."
  type        = string
  default     = "registry.k8s.io"
  nullable    = false
  validation {
    condition     = can(regex("^[a-z0-9\\[][a-z0-9.:\\[\\]-]*(/[a-z0-9._-]+)*$", var.image_repository))
    error_message = "Write the host and the path of a registry, such as registry.k8s.io, without a scheme and without a slash at the end."
  }
}

variable "package_mirror" {
  description = "Where the packages of Kubernetes come from, laid out as https://pkgs.k8s.io."
  type        = string
  default     = "https://pkgs.k8s.io"
  nullable    = false
  validation {
    condition     = can(regex("^[a-z][a-z0-9+.-]*(:/{1,3})[^\\s/]\\S*$", var.package_mirror))
    error_message = "Write a URL, such as https://pkgs.k8s.io."
  }
}

variable "package_key" {
  description = "The key that signs them: the content of their Release.key, reviewed with the spec."
  type        = string
  nullable    = false
  validation {
    condition     = startswith(var.package_key, "-----BEGIN PGP PUBLIC KEY BLOCK-----")
    error_message = "Write file(\"kubernetes.asc\") for a file with the key in armored text."
  }
}

variable "registry_mirrors" {
  description = "Mirrors of image registries, by the registry's name; _default stands for all others."
  type        = map(list(string))
  default     = {}
  nullable    = false
  validation {
    condition     = alltrue([for name in keys(var.registry_mirrors) : can(regex("^(_default|[a-z0-9.-]+(:[0-9]+)?|\\[[0-9a-f:]+\\](:[0-9]+)?)$", name))])
    error_message = "Write the names of registries as in names of images, such as docker.io or 10.0.2.1:5000."
  }
  validation {
    condition     = alltrue([for urls in values(var.registry_mirrors) : try(length(urls) > 0 && alltrue([for url in urls : can(regex("^https?://[^\\s/@]+(/\\S*)?$", url))]), false)])
    error_message = "Write at least one URL for each registry, such as https://mirror.example.org."
  }
}

variable "container_runtime" {
  description = "What runs the containers: containerd."
  type        = string
  default     = "containerd"
  nullable    = false
  validation {
    condition     = var.container_runtime == "containerd"
    error_message = "Nodes run containerd here. Kubernetes runs containers by Docker only through cri-dockerd, which is not set up."
  }
}

variable "container_runtime_version" {
  description = "The version of containerd that is installed: 1.6 on Debian 12."
  type        = string
  default     = "1.6"
  nullable    = false
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
  nullable    = false
  validation {
    condition     = contains(["flannel", "none"], var.network)
    error_message = "The network is flannel or none."
  }
  validation {
    condition     = var.network != "flannel" || local.mixed || !try(local.six.pod_cidr, false)
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
  nullable    = false
  validation {
    condition     = try(length(setintersection(keys(var.kubelet), ["apiVersion", "kind"])) == 0, false)
    error_message = "Write what it says as { name = value }. kplan adds its kind and its apiVersion."
  }
}

variable "kube_proxy" {
  description = "What kube-proxy's configuration says (kubeproxy.config.k8s.io/v1alpha1)."
  type        = any
  default     = {}
  nullable    = false
  validation {
    condition     = try(length(setintersection(keys(var.kube_proxy), ["apiVersion", "kind"])) == 0, false)
    error_message = "Write what it says as { name = value }. kplan adds its kind and its apiVersion."
  }
}
