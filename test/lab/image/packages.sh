#!/bin/bash
# Makes the lab's packages and the flat signed repository /srv/lab-apt that holds them. Runs in the image's chroot.
set -euo pipefail
repo=/srv/lab-apt
arch=$(dpkg --print-architecture)
tmp=$(mktemp -d)
mkdir -p "$repo" /etc/apt/keyrings

# deb NAME VERSION DESCRIPTION: packs the tree $tmp/NAME
deb() {
	local tree=$tmp/$1
	mkdir -p "$tree/DEBIAN"
	cat >"$tree/DEBIAN/control" <<E
Package: $1
Version: $2
Architecture: all
Maintainer: kplan lab <lab@localhost>
Section: admin
Priority: optional
Description: $3
E
	if [ -d "$tree/etc" ]; then
		(cd "$tree" && find etc -type f -printf '/%p\n') >"$tree/DEBIAN/conffiles"
	fi
	dpkg-deb --root-owner-group -Zgzip -z1 --build "$tree" "$repo/$1_$2_all.deb" >/dev/null
}

for version in 1.0-1 2.0-1; do
	mkdir -p "$tmp/lab-hello/usr/bin"
	printf '#!/bin/sh\necho "hello %s"\n' "${version%-*}" >"$tmp/lab-hello/usr/bin/lab-hello"
	chmod 755 "$tmp/lab-hello/usr/bin/lab-hello"
	deb lab-hello "$version" "prints its version"
done

mkdir -p "$tmp/lab-conf/etc"
printf '# as shipped\ncolour = blue\n' >"$tmp/lab-conf/etc/lab-conf.conf"
deb lab-conf 1.0-1 "ships a configuration file"

# The maintainer scripts are what debhelper writes into the packages of real daemons.
mkdir -p "$tmp/lab-daemon/lib/systemd/system" "$tmp/lab-daemon/DEBIAN"
cat >"$tmp/lab-daemon/lib/systemd/system/lab-daemon.service" <<'E'
[Unit]
Description=The lab's daemon, which does nothing for ever

[Service]
ExecStart=/bin/sleep infinity

[Install]
WantedBy=multi-user.target
E
cat >"$tmp/lab-daemon/DEBIAN/postinst" <<'E'
#!/bin/sh
set -e
if [ "$1" = configure ]; then
	deb-systemd-helper unmask lab-daemon.service >/dev/null || true
	if deb-systemd-helper --quiet was-enabled lab-daemon.service; then
		deb-systemd-helper enable lab-daemon.service >/dev/null || true
	else
		deb-systemd-helper update-state lab-daemon.service >/dev/null || true
	fi
	if [ -d /run/systemd/system ]; then
		systemctl --system daemon-reload >/dev/null || true
		deb-systemd-invoke "$([ -n "$2" ] && echo restart || echo start)" lab-daemon.service >/dev/null || true
	fi
fi
E
cat >"$tmp/lab-daemon/DEBIAN/prerm" <<'E'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
	deb-systemd-invoke stop lab-daemon.service >/dev/null || true
fi
E
cat >"$tmp/lab-daemon/DEBIAN/postrm" <<'E'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
	systemctl --system daemon-reload >/dev/null || true
fi
if [ "$1" = purge ]; then
	deb-systemd-helper purge lab-daemon.service >/dev/null || true
fi
E
chmod 755 "$tmp"/lab-daemon/DEBIAN/p*
deb lab-daemon 1.0-1 "a service that is enabled and started by its package"

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

# The signing key is thrown away: nothing is ever added to this repository.
export GNUPGHOME=$tmp/gnupg
install -d -m 700 "$GNUPGHOME"
gpg --quiet --batch --passphrase '' --quick-gen-key 'kplan lab <lab@localhost>' ed25519 sign never
gpg --quiet --batch --armor --export lab@localhost >/etc/apt/keyrings/lab.asc
gpg --quiet --batch --clearsign --output InRelease Release
gpgconf --kill all || true
rm -rf "$tmp"
