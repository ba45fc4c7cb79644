package script

// FindImage prints the name of the image that is its argument where containerd
// has it for Kubernetes. Without containerd's socket there is no image; it is
// asked for first, since ctr waits for one to appear.
const FindImage = `
[ -S /run/containerd/containerd.sock ] || exit 0
exec ctr --connect-timeout 10s -n k8s.io images ls -q "name==$1"
`

// PullImages pulls the images that are its arguments, four at a time: by crictl,
// which does as the kubelet will, or else by ctr, which has to be told of the
// registries' files.
const PullImages = `
socket=/run/containerd/containerd.sock
[ -S "$socket" ] || { echo "containerd is not running: there is no $socket" >&2; exit 1; }
if command -v crictl >/dev/null; then
	pull() { crictl --runtime-endpoint "unix://$socket" --image-endpoint "unix://$socket" pull "$1"; }
else
	pull() { ctr -n k8s.io images pull --hosts-dir /etc/containerd/certs.d "$1"; }
fi
code=0
while [ $# -gt 0 ]; do
	pulls=
	for n in 1 2 3 4; do
		[ $# -gt 0 ] || break
		pull "$1" &
		pulls="$pulls $!"
		shift
	done
	for p in $pulls; do wait "$p" || code=$?; done
done
exit "$code"
`

// RemoveImage takes the name that is its argument from the images. One that is
// not there is no error.
const RemoveImage = `
[ -S /run/containerd/containerd.sock ] || exit 0
exec ctr -n k8s.io images rm "$1"
`
