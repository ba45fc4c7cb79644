#!/bin/bash
# Makes the package repositories, and the small Debian that images stand on. Runs in the chroot that chroot.sh makes.
# usage: packages.sh VERSION PACKAGE…    VERSION is that of Kubernetes, each PACKAGE one of Debian's
set -euo pipefail
[ -d /mnt/www ] && [ -d /media/cni ] || { echo "packages.sh runs in the chroot of chroot.sh only" >&2; exit 1; }
version=$1
shift
revision=1.1
arch=$(dpkg --print-architecture)
tmp=$(mktemp -d)
kubernetes=/mnt/www/core:/stable:/v${version%.*}/deb
mkdir -p /mnt/www/debian "$kubernetes"

# --- of Debian: the packages, with all that the machines do not have of what they depend on
apt-get -q update
apt-get -q --yes --no-install-recommends --download-only install "$@"
cp /var/cache/apt/archives/*.deb /mnt/www/debian/

# --- of Kubernetes: what its own packages hold, and no more

# deb NAME VERSION DEPENDS DESCRIPTION: packs the tree $tmp/NAME
deb() {
	local tree=$tmp/$1
	mkdir -p "$tree/DEBIAN"
	cat >"$tree/DEBIAN/control" <<E
Package: $1
Version: $2
Architecture: $arch
Maintainer: kplan lab <lab@localhost>
Section: admin
Priority: optional
Installed-Size: $(du -sk "$tree" | cut -f1)
${3:+Depends: $3
}Description: $4
E
	if [ -d "$tree/etc" ]; then
		(cd "$tree" && find etc -type f -printf '/%p\n') >"$tree/DEBIAN/conffiles"
	fi
	dpkg-deb --root-owner-group -Zgzip -z1 --build "$tree" "$kubernetes/$1_$2_$arch.deb"
}

for command in kubeadm kubelet kubectl; do
	install -D "/media/$command" "$tmp/$command/usr/bin/$command"
done
for plugin in /media/cni/*; do
	install -D "$plugin" "$tmp/kubernetes-cni/opt/cni/bin/${plugin##*/}"
done

mkdir -p "$tmp"/kubelet/{DEBIAN,etc/default,etc/kubernetes/manifests,usr/lib/systemd/system,var/lib/kubelet}
echo 'KUBELET_EXTRA_ARGS=' >"$tmp/kubelet/etc/default/kubelet"
cat >"$tmp/kubelet/usr/lib/systemd/system/kubelet.service" <<'E'
[Unit]
Description=kubelet: runs the pods of this node
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=/usr/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=10

[Install]
WantedBy=multi-user.target
E
# The service is enabled and started at once. Until kubeadm has written its configuration it ends and is started again.
cat >"$tmp/kubelet/DEBIAN/postinst" <<'E'
#!/bin/sh
set -e
if [ "$1" = configure ]; then
	deb-systemd-helper unmask kubelet.service >/dev/null || true
	if deb-systemd-helper --quiet was-enabled kubelet.service; then
		deb-systemd-helper enable kubelet.service >/dev/null || true
	else
		deb-systemd-helper update-state kubelet.service >/dev/null || true
	fi
	if [ -d /run/systemd/system ]; then
		systemctl --system daemon-reload >/dev/null || true
		deb-systemd-invoke "$([ -n "$2" ] && echo restart || echo start)" kubelet.service >/dev/null || true
	fi
fi
E
cat >"$tmp/kubelet/DEBIAN/prerm" <<'E'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
	deb-systemd-invoke stop kubelet.service >/dev/null || true
fi
E
cat >"$tmp/kubelet/DEBIAN/postrm" <<'E'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
	systemctl --system daemon-reload >/dev/null || true
fi
if [ "$1" = purge ]; then
	deb-systemd-helper purge kubelet.service >/dev/null || true
fi
E
chmod 755 "$tmp"/kubelet/DEBIAN/p*

mkdir -p "$tmp/kubeadm/usr/lib/systemd/system/kubelet.service.d"
cat >"$tmp/kubeadm/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf" <<'E'
# What kubeadm writes for the kubelet, and what the administrator adds in /etc/default/kubelet.
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
E

deb kubernetes-cni 1.7.1-$revision "" "plugins that connect the pods of a node"
deb kubectl "$version-$revision" "" "command line of a Kubernetes cluster"
deb kubelet "$version-$revision" "iptables (>= 1.4.21), mount, util-linux, kubernetes-cni (>= 1.2.0)" "node agent of Kubernetes"
deb kubeadm "$version-$revision" "kubelet (>= 1.30.0), kubectl (>= 1.30.0)" "makes Kubernetes clusters"

# --- signatures, by a key that is thrown away: nothing is ever added to these repositories
export GNUPGHOME=$tmp/gnupg
install -d -m 700 "$GNUPGHOME"
gpg --quiet --batch --passphrase '' --quick-gen-key 'kplan lab <lab@localhost>' ed25519 sign never
for repo in /mnt/www/debian "$kubernetes"; do
	cd "$repo"
	for f in *.deb; do
		dpkg-deb --field "$f"
		printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$f" "$(stat -c %s "$f")" "$(sha256sum "$f" | cut -d' ' -f1)"
	done >Packages
	{
		printf 'Origin: kplan-lab\nLabel: kplan-lab\nSuite: stable\nCodename: stable\nArchitectures: all %s\nDate: %s\nSHA256:\n' \
			"$arch" "$(date -Ru)"
		printf ' %s %s Packages\n' "$(sha256sum Packages | cut -d' ' -f1)" "$(stat -c %s Packages)"
	} >Release
	gpg --quiet --batch --armor --export lab@localhost >Release.key
	gpg --quiet --batch --clearsign --output InRelease Release
done
cd /
gpgconf --kill all || true

# --- the small Debian: busybox, what changes packet filters, and the libraries that these need. Busybox is the dynamic one:
# the static one finds no names.
apt-get -q --yes --no-install-recommends install busybox iptables nftables ipset conntrack
small=$tmp/small
mkdir -p "$small"/{bin,sbin,etc,tmp,run,data,opt/bin,usr/bin,usr/sbin,usr/local/bin,var/lib}
chmod 1777 "$small/tmp"
ln -s /run "$small/var/run"
programs=(/usr/sbin/xtables-nft-multi /usr/sbin/xtables-legacy-multi /usr/sbin/nft /usr/sbin/ipset /usr/sbin/conntrack)
cp "${programs[@]}" "$small/usr/sbin/"
cp "$(command -v busybox)" "$small/bin/busybox"
for applet in $(busybox --list); do
	[ "$applet" = busybox ] || ln -s /bin/busybox "$small/bin/$applet"
done
for family in iptables ip6tables; do
	for suffix in '' -save -restore; do
		ln -s xtables-nft-multi "$small/usr/sbin/$family$suffix"
		ln -s xtables-nft-multi "$small/usr/sbin/$family-nft$suffix"
		ln -s xtables-legacy-multi "$small/usr/sbin/$family-legacy$suffix"
	done
done
# Matches and targets are libraries with needs of their own.
extensions=$(dirname "$(find /usr/lib -path '*/xtables/*.so' -print -quit)")
ldd "${programs[@]}" "$(command -v busybox)" "$extensions"/*.so |
	awk '$2 == "=>" && $3 ~ /^\// {print $3} $1 ~ /^\/.*ld-linux/ {print $1}' | sort -u |
	while read -r library; do
		mkdir -p "$small$(dirname "$library")"
		cp --dereference "$library" "$small$library"
	done
mkdir -p "$small$extensions"
cp -a "$extensions/." "$small$extensions/"
cp /etc/protocols /etc/services "$small/etc/" 2>/dev/null || true
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' >"$small/etc/passwd"
tar --directory "$small" --sort=name --owner=0 --group=0 --create --file /mnt/debian.tar .
