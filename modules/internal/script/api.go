package script

const apiFunctions = `
api=/etc/kubernetes/manifests/kube-apiserver.yaml

# starting: true for 90 seconds after the machine has started, or after the pod of its API server was written. systemd tells
# when a container has started, of which /proc/uptime does not know.
starting() {
	[ -e "$api" ] && [ ! -e ` + KubeadmBegun + ` ] || return 1
	began=$(systemctl show --property=UserspaceTimestampMonotonic --value 2>/dev/null)
	read -r now _ </proc/uptime
	[ $((${now%.*} - ${began:-0} / 1000000)) -ge 90 ] || return 0
	age=$(($(date +%s) - $(stat -c %Y "$api")))
	[ "$age" -ge 0 ] && [ "$age" -lt 90 ]
}

# awaited: ends once the API server of this machine is ready, or is not starting.
awaited() {
	while starting && ! kubectl --kubeconfig=/etc/kubernetes/admin.conf --cache-dir=/dev/null --request-timeout=5s \
		get --raw /readyz >/dev/null 2>&1; do
		sleep 1
	done
}
`

// APIAwaited waits for the API server of the machine's control plane where it
// is still starting, as after a loss of power. One that has had time enough, or
// is none, is not waited for: what is asked next says so.
const APIAwaited = apiFunctions + `
awaited
`
