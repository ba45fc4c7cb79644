package script

// KubeadmBegun stands on a machine while a control plane or a worker is made of
// it: what was cut off is resumed, and is not there before it is whole.
const KubeadmBegun = "/etc/kubernetes/kplan.begun"

// KubeadmSums holds the digests of what kubeadm made of a machine, so that a
// change shows.
const KubeadmSums = "/etc/kubernetes/kplan.sums"

const kubeadmFiles = `
set -e
export KUBECONFIG=/etc/kubernetes/admin.conf
begun=` + KubeadmBegun + ` sums=` + KubeadmSums + `

# begin FILE...: false where an earlier run had begun. A FILE that is there
# otherwise is somebody else's.
begin() {
	[ ! -e "$begun" ] || return 0
	for f; do
		[ ! -e "$f" ] || {
			printf '%s is there, left by another cluster: look at what it is, then take it away with kubeadm reset\n' "$f" >&2
			exit 1
		}
	done
	mkdir -p /etc/kubernetes
	: >"$begun"
	sync /etc/kubernetes
	return 1
}

# emptied PATH...: true where a file there is empty, as a loss of power leaves one that was not on the disk yet.
emptied() { [ -n "$(find "$@" -type f -size 0 2>/dev/null)" ]; }

# synced PATH...: kubeadm does not see to it that what it writes is on the disk.
synced() { find "$@" \( -type f -o -type d \) -exec sync {} + 2>/dev/null || sync; }

# finish FILE...: their digests, then the end.
finish() {
	synced /etc/kubernetes /var/lib/kubelet/pki /var/lib/kubelet/config.yaml /var/lib/kubelet/kubeadm-flags.env
	sha256sum -- "$@" >"$sums.new"
	sync "$sums.new"
	mv -f "$sums.new" "$sums"
	rm -f "$begun"
	sync /etc/kubernetes
}

static='kube-apiserver kube-controller-manager kube-scheduler etcd'
manifests() { printf '/etc/kubernetes/manifests/%s.yaml ' $static; }

# flag NAME: what the static pods are given for --NAME.
flag() { cat $(manifests) 2>/dev/null | sed -n "s/^ *- --$1=//p" | sed 1q; }

# here: kubectl with the API server of this machine, whatever stands before it,
# at the address where the kubelet asks after it, too, and through no proxy; its
# certificate is always of the name kubernetes.
here() {
	address=$(flag advertise-address)
	case $address in *:*) address="[$address]" ;; esac
	NO_PROXY='*' kubectl --tls-server-name=kubernetes --server="https://${address:-127.0.0.1}:$(flag secure-port)" --request-timeout=10s "$@"
}

# kubeconfigs: those of the control plane. The kubelet's is changed later.
kubeconfigs() { printf '/etc/kubernetes/%s.conf ' admin super-admin controller-manager scheduler; }

# unsettled NODE: the static pods that are not Ready as their manifests say. The
# kubelet tells that of those it runs (kubernetes/kubernetes, pkg/kubelet/
# kubelet_getters.go, GetPods), and it has none before it has read the manifests,
# when it starts: what it tells now is of those that were written before that.
# Each pod is an object in one line, and begins with its name.
unsettled() {
	runs=$(here get --raw "/api/v1/nodes/$1/proxy/pods") || {
		printf 'kube-apiserver etcd '
		return
	}
	runs=$(printf '%s\n' "$runs" | sed 's/{"metadata":{"name":"/\n/g')
	for pod in $static; do
		printf '%s\n' "$runs" | grep "^$pod-$1\",\"namespace\":\"kube-system\"" | grep -q '"type":"Ready",[^}]*"status":"True"' || printf '%s ' "$pod"
	done
}

# settled NODE: waits for the static pods, after a start of the kubelet.
settled() {
	end=$(($(date +%s) + 300))
	until
		waits=$(unsettled "$1" 2>/dev/null)
		[ -z "$waits" ]
	do
		[ "$(date +%s)" -lt "$end" ] || {
			unsettled "$1" >/dev/null
			printf 'not Ready as the manifests in /etc/kubernetes/manifests say, after 5 minutes: %s. On the machine, crictl ps -a shows the containers, crictl logs ID why one ended, and journalctl -u kubelet why there is none\n' "${waits% }" >&2
			exit 1
		}
		sleep 1
	done
}

# unplug: takes the links of the pod network away.
unplug() {
	for link in cni0 flannel.1; do ip link delete "$link" 2>/dev/null || :; done
}

# same FILE...: whether they are as their digests say.
same() {
	for f; do
		grep -F "  $f" "$sums" | sha256sum -c >/dev/null 2>&1 || return 1
	done
}
`

// KubeadmInit makes the first control plane of a cluster from the configuration
// in the file that is its argument. kubeadm keeps the certificates and
// kubeconfigs that are there, so what was cut off is resumed by the same
// command, without the checks that its own work would fail. Certificates and
// kubeconfigs are on the disk before anything is made with them: where a loss of
// power emptied some, all are made anew. The token that kubeadm makes for joining
// is taken away.
const KubeadmInit = kubeadmFiles + `
again=
if begin $(manifests) /etc/kubernetes/admin.conf /etc/kubernetes/kubelet.conf /etc/kubernetes/pki/ca.crt /var/lib/etcd/member; then
	again=Port-6443,Port-10250,Port-10257,Port-10259,Port-2379,Port-2380,DirAvailable--var-lib-etcd
	for m in $(manifests); do again=$again,FileAvailable--etc-kubernetes-manifests-${m##*/}; done
	again=--ignore-preflight-errors=$again
	! emptied /etc/kubernetes/pki $(kubeconfigs) || rm -rf /etc/kubernetes/pki $(kubeconfigs) /etc/kubernetes/kubelet.conf
	! emptied /var/lib/kubelet/pki /etc/kubernetes/kubelet.conf || rm -rf /var/lib/kubelet/pki /etc/kubernetes/kubelet.conf
fi
kubeadm init phase certs all --config "$1" </dev/null
kubeadm init phase kubeconfig all --config "$1" </dev/null
synced /etc/kubernetes
kubeadm init --config "$1" --skip-token-print $again </dev/null
tokens=$(kubeadm token list -o jsonpath='{.token}{"\n"}')
for token in $tokens; do
	kubeadm token delete "${token%%.*}"
done
finish "$1" $(manifests) /var/lib/kubelet/config.yaml
`

// KubeadmRepair writes again what kubeadm made of the configuration in the file
// that is its first argument, and waits until the static pods are made of that;
// the second is the node's name. Of another configuration the API server gets a
// certificate, and kube-proxy its own; that it is one which kubeadm can bring to a
// cluster that is there is seen to before. What etcd is started with is written
// again only where it has to be: of one that has joined, kubeadm would write it as
// of the first, which etcd heeds no more but restarts for.
const KubeadmRepair = kubeadmFiles + `
config=$1
same "$config" || {
	rm -f /etc/kubernetes/pki/apiserver.crt /etc/kubernetes/pki/apiserver.key
	kubeadm init phase certs apiserver --config "$config" </dev/null
}
same /etc/kubernetes/manifests/etcd.yaml "$config" || kubeadm init phase etcd local --config "$config" </dev/null
kubeadm init phase control-plane all --config "$config" </dev/null
kubeadm init phase kubelet-start --config "$config" </dev/null
settled "$2"
kubeadm init phase upload-config all --config "$config" </dev/null
same "$config" || {
	proxy=$(here -n kube-system get daemonset kube-proxy --ignore-not-found -o name)
	[ -z "$proxy" ] || kubeadm init phase addon kube-proxy --config "$config" </dev/null
}
finish "$config" $(manifests) /var/lib/kubelet/config.yaml
`

// KubeadmJoin makes the machine a worker, from the configuration on its standard
// input. Its argument is the node's name: a join that was cut off and had come
// through is not made again, which kubeadm would refuse, unless a loss of power
// emptied what it made. kubeadm does not wait until the cluster has the node,
// which it has not where its control plane goes off. KubeadmJoined ends it.
const KubeadmJoin = kubeadmFiles + `
export KUBECONFIG=/etc/kubernetes/kubelet.conf
again=
if begin /etc/kubernetes/kubelet.conf /etc/kubernetes/pki/ca.crt; then
	again=--ignore-preflight-errors=Port-10250,FileAvailable--etc-kubernetes-kubelet.conf,FileAvailable--etc-kubernetes-bootstrap-kubelet.conf,FileAvailable--etc-kubernetes-pki-ca.crt
	for f in /etc/kubernetes/kubelet.conf /etc/kubernetes/pki/ca.crt /var/lib/kubelet/config.yaml \
		/var/lib/kubelet/kubeadm-flags.env /var/lib/kubelet/pki/kubelet-client-current.pem; do
		[ -s "$f" ] || rm -rf /etc/kubernetes/kubelet.conf /etc/kubernetes/bootstrap-kubelet.conf /etc/kubernetes/pki /var/lib/kubelet/pki
	done
fi
if [ -z "$again" ] || ! kubectl get node "$1" >/dev/null 2>&1; then
	umask 077
	config=$(mktemp -p /run/kplan)
	trap 'rm -f "$config"' EXIT
	cat >"$config"
	umask 022
	kubeadm join --config "$config" $again </dev/null
	rm -f "$config"
	tries=0
	until kubectl get node "$1" >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ "$tries" -lt 300 ] || { kubectl get node "$1"; exit 1; }
		sleep 0.4
	done
fi
`

// KubeadmJoined ends a join, whose token is gone.
const KubeadmJoined = kubeadmFiles + `
finish /var/lib/kubelet/config.yaml
`

// KubeadmBeginPlane begins the join of a member of the control plane, whose keys
// are written next.
const KubeadmBeginPlane = kubeadmFiles + `
begin $(manifests) /etc/kubernetes/admin.conf /etc/kubernetes/kubelet.conf /etc/kubernetes/pki/ca.crt /var/lib/etcd/member || :
`

// KubeadmJoinPlane makes the machine a member of the control plane, from the
// configuration on its standard input. Its argument is the node's name. All that
// kubeadm does can be done again, but two things: it does not take a node of this
// name that is there already, and it does not make a member of etcd one that
// votes, which is one already (MemberPromote in kubernetes/kubernetes,
// cmd/kubeadm/app/util/etcd/etcd.go). Where it is that, the second argument is the
// file with kubeadm's configuration. What a loss of power emptied, it makes anew;
// the keys that members share are on the disk before, and so, within a second, is
// what etcd's member is started by: from when it votes, etcd counts on it.
const KubeadmJoinPlane = kubeadmFiles + `
umask 077
config=$(mktemp -p /run/kplan)
trap 'rm -f "$config"' EXIT
cat >"$config"
umask 022
again=Port-6443,Port-10250,Port-10257,Port-10259,Port-2379,Port-2380,DirAvailable--var-lib-etcd
again=$again,FileAvailable--etc-kubernetes-kubelet.conf,FileAvailable--etc-kubernetes-bootstrap-kubelet.conf
for m in $(manifests); do again=$again,FileAvailable--etc-kubernetes-manifests-${m##*/}; done
begun=
for f in $(manifests) /etc/kubernetes/kubelet.conf; do
	[ ! -e "$f" ] || begun=--ignore-preflight-errors=$again
done
! emptied /etc/kubernetes/pki $(kubeconfigs) || rm -f /etc/kubernetes/pki/apiserver* /etc/kubernetes/pki/front-proxy-client.* /etc/kubernetes/pki/etcd/[!c]* $(kubeconfigs)
! emptied /var/lib/kubelet/pki /etc/kubernetes/kubelet.conf || rm -rf /var/lib/kubelet/pki /etc/kubernetes/kubelet.conf
there=
if [ -e /etc/kubernetes/kubelet.conf ] && kubectl --kubeconfig /etc/kubernetes/kubelet.conf get node "$1" >/dev/null 2>&1; then
	there=,kubelet-start
fi
if [ -n "${2-}" ]; then
	# Which phase it is depends on a feature gate, and which there are on the version.
	there=$there$(kubeadm join --help | sed -n 's/^etcd-join .*/,etcd-join/p; s,^ */etcd .*,\,control-plane-join/etcd,p' | tr -d '\n')
	[ -s /etc/kubernetes/manifests/etcd.yaml ] || kubeadm init phase etcd local --config "$2" </dev/null
fi
# It ends with this shell, also where that is killed and ends nothing itself.
while kill -0 $$ 2>/dev/null && sleep 0.5; do
	find /etc/kubernetes/manifests /etc/kubernetes/kubelet.conf /var/lib/kubelet/pki /var/lib/kubelet/config.yaml /var/lib/kubelet/kubeadm-flags.env \
		\( -type f -o -type d \) -exec sync {} + 2>/dev/null || :
done &
keeper=$!
trap 'rm -f "$config"; kill "$keeper" 2>/dev/null || :' EXIT
kubeadm join --config "$config" $begun ${there:+"--skip-phases=${there#,}"} </dev/null
`

// KubeadmJoinedPlane ends the join of a member, whose token is gone. Its argument
// is the file with kubeadm's configuration.
const KubeadmJoinedPlane = kubeadmFiles + `
finish "$1" $(manifests) /var/lib/kubelet/config.yaml
`

const nodeFunctions = `
node=$(tr '[:upper:]' '[:lower:]' </proc/sys/kernel/hostname)

# ask: asks the API for the node of this machine, as its kubelet may (Kubernetes documentation, "Using Node Authorization").
ask() {
	kubectl --kubeconfig=/etc/kubernetes/kubelet.conf --cache-dir=/dev/null --request-timeout=5s get --raw "/api/v1/nodes/$node" 2>&1 >/dev/null
}

# gone: true where the API says that the cluster has no such node. It says so of a path that it does not know, too, and then names
# no node.
gone() {
	said=$(ask) && return 1
	case $said in *"(NotFound): nodes "*) return 0 ;; esac
	return 1
}
`

// NodeAsked says gone NODE of a worker where the cluster has no node of its host
// name. Where
// nothing is made of the machine yet, or the API does not answer within five
// seconds, it says nothing.
const NodeAsked = nodeFunctions + `
[ -s /etc/kubernetes/kubelet.conf ] && [ ! -e /etc/kubernetes/admin.conf ] && [ ! -e ` + KubeadmBegun + ` ] || exit 0
! gone || echo "gone $node"
`

// KubeadmRejoin brings a worker's kubelet the configuration that the cluster has.
// The kubelet is restarted where that is another than it was started with, which
// is what the digests are of, and where it does not run. With the argument gone,
// and where the cluster does not have its node, it is restarted first: it registers
// it only when it starts (kubernetes/kubernetes, pkg/kubelet/kubelet_node_status.go,
// registerWithAPIServer), and kubeadm refuses a machine that has none. Such a node
// has another range of pods' addresses, for which the pod network is set up anew;
// its pods were ended before.
const KubeadmRejoin = kubeadmFiles + nodeFunctions + `
export KUBECONFIG=/etc/kubernetes/kubelet.conf
config=/var/lib/kubelet/config.yaml
if [ "${1-}" = gone ] && gone; then
	unplug
	rm -f /run/flannel/subnet.env
	systemctl restart kubelet
	tries=0
	until ask >/dev/null; do
		tries=$((tries + 1))
		[ "$tries" -lt 300 ] || {
			printf 'the cluster has no node %s, two minutes after the kubelet was started to register it: journalctl -u kubelet on the machine says why\n' "$node" >&2
			exit 1
		}
		sleep 0.4
	done
	[ ! -e "$sums" ] || ! same "$config" || exit 0
fi
was=$(sha256sum <"$config")
[ ! -e "$sums" ] || same "$config" || was=
kubeadm upgrade node phase kubelet-config </dev/null
restart=
[ "$(sha256sum <"$config")" = "$was" ] || restart=1
systemctl is-active --quiet kubelet || restart=1
[ -z "$restart" ] || systemctl restart kubelet
finish "$config"
`

// KubeletStart starts a kubelet that was stopped. Of a control plane, its argument
// is the node's name, and the static pods are waited for.
const KubeletStart = kubeadmFiles + `
systemctl start kubelet
[ -z "${1-}" ] || settled "$1"
`

// KubeadmReset takes away what kubeadm and the pod network made. The directory
// /etc/cni/net.d stays, which containerd watches.
const KubeadmReset = kubeadmFiles + `
kubeadm reset --force </dev/null
rm -f /etc/cni/net.d/*
unplug
for tables in iptables ip6tables; do
	command -v "$tables-save" >/dev/null || continue
	"$tables-save" | grep -v -e KUBE- -e FLANNEL -e CNI- | "$tables-restore"
done
rm -f "$sums" "$begun"
`
