package script

// Manifest reads what a manifest last applied, and whether the objects are as
// it says: its argument is the name of the ConfigMap that keeps it. It writes
// nothing where the machine has no cluster, or one that is still made; otherwise the line "cluster" and an
// empty one where there is no such ConfigMap, or three lines: the identities,
// the content as it is packed, and how kubectl diff ended: 0 for no difference,
// 1 for some. The status is kubectl's where the API does not answer; one that is
// starting is waited for.
//
// kubectl diff writes what it compares to files that it removes again; here
// they are in memory. The cache of kubectl is turned off.
const Manifest = apiFunctions + `
export TMPDIR=/dev/shm
config=/etc/kubernetes/admin.conf
ask() { kubectl --kubeconfig="$config" --cache-dir=/dev/null --request-timeout=20s "$@"; }
[ -e "$config" ] && [ ! -e ` + KubeadmBegun + ` ] && command -v kubectl >/dev/null || exit 0
awaited
found=$(ask -n kube-system get configmap "$1" --ignore-not-found -o 'jsonpath={.data.objects}{"\n"}{.binaryData.content}') || exit
printf 'cluster\n%s\n' "$found"
[ -n "$found" ] || exit 0
printf '%s\n' "$found" | sed 1d | base64 -d | gzip -dc | ask diff --server-side --force-conflicts --field-manager=kplan -f - >/dev/null
printf '%s\n' "$?"
`
