# Addresses that are taken, which the ranges of pods and services must not hold.

locals {
  # By whose they are: of hosts, which may be names, and of the endpoint.
  addresses = merge(
    { for h in concat(var.control_plane, var.workers) : h.name => h.address },
    try({ endpoint = regex("^\\[?(.*?)\\]?:[0-9]+$", var.endpoint)[0] }, {}),
  )
  # The networks that the hosts' addresses are in, such as 10.0.2.15/24: of other interfaces some are the cluster's own.
  networks = { for h in local.nodes : h.name => [for i in facts[h.name].interfaces : split(" ", i)[1] if startswith(split(" ", i)[1], "${h.address}/")] }
}

check "networks" {
  assert {
    condition = !anytrue(flatten([for range in [var.pod_cidr, var.service_cidr] : [
      for n in flatten(values(local.networks)) : try(cidrcontains(range, n) || cidrcontains(n, range), false)
    ]]))
    error_message = "The ranges of the pods (${var.pod_cidr}) and of the services (${var.service_cidr}) have addresses in common with the network of the hosts: ${join(", ", distinct(flatten([for n in flatten(values(local.networks)) : cidrsubnet(n, 0, 0)])))}. What has such an address there cannot be reached. Write ranges that lie elsewhere."
  }
}
