# What versions.yaml says of the versions that are wanted, and whether they go together.

locals {
  versions = yamldecode(file("versions.yaml"))
  minor    = try(regex("^[0-9]+\\.[0-9]+", var.kubernetes_version), "")
  release  = try(local.versions.kubernetes[local.minor], values(local.versions.kubernetes)[0]) # one that is not known is refused, once

  # containerd, as it is declared and as it is installed, and what of that is not recommended: a release of an older line than
  # all that are, or an older one of the same line. Lines are compared as numbers: 1.7 is 1007.
  runtimes = {
    declared  = { container_runtime_version = var.container_runtime_version }
    installed = { for name, p in all.package.tools : name => try(regex("^[0-9]+\\.[0-9]+\\.[0-9]+", p["containerd"].installed_version), var.container_runtime_version) }
  }
  # The line of containerd that reads the configuration for the one that is declared, or later ones: its format is another since
  # 2.0 and since 2.3.
  line   = try(tonumber(split(".", var.container_runtime_version)[0]) * 1000 + tonumber(split(".", var.container_runtime_version)[1]), 0)
  reads  = max([for since in [0, 2000, 2003] : since if since <= local.line]...)
  newest = max([for r in local.release.containerd : tonumber(split(".", r)[0]) * 1000 + tonumber(split(".", r)[1])]...)
  not_recommended = { for known, runtimes in local.runtimes : known => {
    for name, v in runtimes : name => v
    if tonumber(split(".", v)[0]) * 1000 + tonumber(split(".", v)[1]) <= local.newest && !anytrue([
      for r in local.release.containerd : startswith("${v}.", "${join(".", slice(split(".", r), 0, 2))}.") && try(tonumber(split(".", v)[2]), 9999) >= tonumber(split(".", r)[2])
    ])
  } }
}

check "containerd" {
  assert {
    condition     = length(local.not_recommended.declared) == 0
    error_message = "Kubernetes ${local.minor} is not recommended with containerd ${var.container_runtime_version}: containerd's maintainers name ${join(", ", local.release.containerd)} or later. Install one of these and say which by container_runtime_version."
  }
  assert {
    condition     = length(local.not_recommended.declared) > 0 || length(local.not_recommended.installed) == 0
    error_message = "Kubernetes ${local.minor} is not recommended with what is installed: ${join(", ", [for name, v in local.not_recommended.installed : "containerd ${v} on ${name}"])}. containerd's maintainers name ${join(", ", local.release.containerd)} or later."
  }
}
