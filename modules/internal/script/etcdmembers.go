package script

// EtcdAsked runs its arguments in the pod of this machine's etcd, where kubeadm
// made one and has ended; otherwise it writes nothing. The status is kubectl's:
// an etcd that is not there yet is not waited for.
const EtcdAsked = `
name=$(sed -n 's/^ *- --name=//p' /etc/kubernetes/manifests/etcd.yaml 2>/dev/null)
[ -n "$name" ] && [ ! -e ` + KubeadmBegun + ` ] || exit 0
exec timeout 10 kubectl --kubeconfig=/etc/kubernetes/admin.conf --cache-dir=/dev/null --request-timeout=5s -n kube-system exec "etcd-$name" -- "$@"
`
