# The images that every node of its kind runs.

locals {
  exact = local.release.images.of == var.kubernetes_version # another release may have another etcd
  images = {
    node = concat(
      ["${var.image_repository}/pause:${local.release.images.pause}", "${var.image_repository}/kube-proxy:v${var.kubernetes_version}"],
      var.network == "flannel" ? distinct(flatten(regexall("image: (\\S+)", file("kube-flannel.yaml")))) : [],
    )
    control_plane = concat(
      [for name in ["kube-apiserver", "kube-controller-manager", "kube-scheduler"] : "${var.image_repository}/${name}:v${var.kubernetes_version}"],
      local.exact ? ["${var.image_repository}/etcd:${local.release.images.etcd}"] : [],
    )
  }
}
