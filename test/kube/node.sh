#!/bin/sh
# Makes a bare machine of the lab into one on which kubeadm can run. Written by hand, in the order and with the commands of a
# tutorial; what differs from one follows from the lab having no internet.
# usage: node.sh VERSION
set -eux
version=$1
export DEBIAN_FRONTEND=noninteractive

cat >>/etc/hosts <<'E'
10.0.2.15 k8s-node1
10.0.2.24 k8s-node2
10.0.2.25 k8s-node3
E
swapoff -a
sed -i '/ swap /d' /etc/fstab

printf 'overlay\nbr_netfilter\n' >/etc/modules-load.d/k8s.conf
modprobe overlay
modprobe br_netfilter
cat >/etc/sysctl.d/k8s.conf <<'E'
net.bridge.bridge-nf-call-iptables = 1
net.bridge.bridge-nf-call-ip6tables = 1
net.ipv4.ip_forward = 1
E
sysctl -p /etc/sysctl.d/k8s.conf

# The packages, from where pkgs.k8s.io and a Debian mirror would be.
repo=http://10.0.2.1/core:/stable:/v${version%.*}/deb
mkdir -p /etc/apt/keyrings
curl -fsS "$repo/Release.key" | gpg --dearmor -o /etc/apt/keyrings/kubernetes-apt-keyring.gpg
curl -fsS http://10.0.2.1/debian/Release.key -o /etc/apt/keyrings/debian.asc
echo "deb [signed-by=/etc/apt/keyrings/kubernetes-apt-keyring.gpg] $repo/ /" >/etc/apt/sources.list.d/kubernetes.list
echo "deb [signed-by=/etc/apt/keyrings/debian.asc] http://10.0.2.1/debian/ /" >/etc/apt/sources.list.d/debian.list
apt-get -q update
apt-get -q --yes install containerd "kubelet=$version-1.1" "kubeadm=$version-1.1" "kubectl=$version-1.1" conntrack ebtables ethtool socat
apt-mark hold kubelet kubeadm kubectl

# restrict_oom_score_adj: a machine of the lab may lack the capability to make a process less likely to be killed.
mkdir -p /etc/containerd/certs.d/_default
cat >/etc/containerd/config.toml <<'E'
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.k8s.io/pause:3.10.1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/opt/cni/bin"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/certs.d"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = true
E
# The lab's registry answers for every other.
cat >/etc/containerd/certs.d/_default/hosts.toml <<'E'
[host."http://10.0.2.1:5000"]
  capabilities = ["pull", "resolve"]
E
systemctl restart containerd
