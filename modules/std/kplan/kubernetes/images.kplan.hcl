# The images that every node of its kind runs, pulled before kubeadm asks for them.

locals {
  exact = local.release.images.of == var.kubernetes_version # another release may have another etcd
  kubeadm_images = {
    node = ["${var.image_repository}/pause:${local.release.images.pause}", "${var.image_repository}/kube-proxy:v${var.kubernetes_version}"]
    control_plane = concat(
      [for name in ["kube-apiserver", "kube-controller-manager", "kube-scheduler"] : "${var.image_repository}/${name}:v${var.kubernetes_version}"],
      local.exact ? ["${var.image_repository}/etcd:${local.release.images.etcd}"] : [],
    )
  }
  images = {
    node          = concat(local.kubeadm_images.node, var.network == "flannel" ? distinct(flatten(regexall("image: (\\S+)", file("kube-flannel.yaml")))) : [])
    control_plane = local.kubeadm_images.control_plane
  }
  unused_images = { for name, c in all.kubeadm_config.main : name => c.images == null ? [] : tolist(setsubtract(flatten(values(local.kubeadm_images)), c.images)) }
}

# They are of versions.yaml, for kubeadm is not there yet when a plan is made.
check "images" {
  assert {
    condition     = alltrue([for images in values(local.unused_images) : length(images) == 0])
    error_message = "${join("; ", [for name, images in local.unused_images : "kubeadm of ${name} does not run ${join(", ", images)}" if length(images) > 0])}. Compare them with kubeadm config images list, and the version of the package kubeadm with ${var.kubernetes_version}."
  }
}
