# The addresses of the hosts and of the endpoint, and the ranges of the pods and of
# the services: what they have in common, and what they must not have.

locals {
  # By whose they are: of hosts, which may be names, and of the endpoint.
  addresses = merge(
    { for h in local.nodes : h.name => h.address },
    { for name in ["endpoint"] : name => local.api.host if var.endpoint != null },
  )
  ranges = { pod_cidr = var.pod_cidr, service_cidr = var.service_cidr }
  taken  = { for r, range in local.ranges : r => [for name, a in local.addresses : "${a} (${name})" if try(cidrcontains(range, a), false)] }

  # Of IPv6, each that is no name. All are to be of one family; where the pods alone are of another, they are wrong.
  six      = { for name, a in merge({ for h in local.nodes : h.name => h.address }, local.ranges) : name => cidrcontains("::/0", a) if can(cidrcontains("::/0", a)) }
  mixed    = length(distinct(values(local.six))) > 1
  odd_pods = local.mixed && length(distinct([for name, six in local.six : six if name != "pod_cidr"])) < 2
  families = "kplan/kubernetes makes clusters of one family of addresses. Of IPv6: ${join(", ", [for name, six in local.six : name if six])}; of IPv4: ${join(", ", [for name, six in local.six : name if !six])}. Write all of one family."

  # In no network: this machine, loopback, link-local, multicast.
  special = [for name, a in merge(local.addresses, local.ranges) : name if anytrue([
    for r in ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "::/127", "fe80::/10", "ff00::/8"] : try(cidrcontains(r, a), false)
  ])]

  # How long kubeadm has the prefixes of ranges: see the resource type kubeadm_config.
  prefixes = {
    pod_cidr     = try(local.six.pod_cidr, false) ? range(48, 65) : range(8, 25)
    service_cidr = try(local.six.service_cidr, false) ? range(108, 125) : range(12, 29)
  }

  control_plane = distinct([for h in var.control_plane : h.name]) # their names
  both          = setintersection(local.control_plane, [for h in var.workers : h.name])
  unreached     = [for name in local.control_plane : name if contains(local.special, name) || local.addresses[name] == "localhost" && length(local.nodes) > 1]
  spellings     = { for h in local.nodes : h.name => cidrhost("${h.address}/128", 0) if try(cidrhost("${h.address}/128", 0) != h.address, false) }

  # The endpoint, where it is one that kubeadm takes, and the nodes that it is at, where it is given.
  endpoint_works = alltrue([
    can(cidrcontains("::/0", local.api.host)) || can(regex("^([a-z0-9-]+\\.)*[a-z0-9-]*[a-z][a-z0-9-]*$", local.api.host)),
    strcontains(local.api.host, ":") == startswith(local.endpoint, "["),
    tonumber(local.api.port) > 0 && tonumber(local.api.port) < 65536,
  ])
  endpoint_at = [for n in local.nodes : n.name if var.endpoint != null && local.endpoint_works && contains([n.name, n.address], local.api.host)]

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
