#!/bin/bash
# Turns a bare Debian tree into the image of the lab's machines. Runs in a chroot; /mnt holds the files beside this one.
set -euo pipefail

# --- who may come in, and how
mkdir -p /etc/ssh/sshd_config.d
cat >/etc/ssh/sshd_config.d/lab.conf <<'E'
PermitRootLogin yes
PasswordAuthentication yes
UseDNS no
MaxStartups 100:30:200
MaxSessions 64
E
useradd --create-home --shell /bin/bash --uid 1000 --groups sudo ops
useradd --create-home --shell /bin/bash --uid 1001 ops2
chpasswd <<'E'
root:vagrant
ops:ops-password
ops2:ops2-password
E
echo 'ops2 ALL=(ALL:ALL) NOPASSWD: ALL' >/etc/sudoers.d/ops2
chmod 440 /etc/sudoers.d/ops2
# Debian's sudo makes this on a user's first success: in the image it is there, so that no sudo writes it.
install -m 644 -o ops -g ops /dev/null /home/ops/.sudo_as_admin_successful
install -d -m 700 /root/.ssh
install -d -m 700 -o ops -g ops /home/ops/.ssh
install -d -m 700 -o ops2 -g ops2 /home/ops2/.ssh

# --- what makes a machine one of its own is not in the image
rm -f /etc/ssh/ssh_host_* /var/lib/dbus/machine-id /etc/hostname /etc/resolv.conf
: >/etc/machine-id

# --- booting
install -m 755 /mnt/lab-init /usr/local/sbin/lab-init
for unit in console-getty.service systemd-udevd.service systemd-udev-trigger.service dev-hugepages.mount \
	sys-fs-fuse-connections.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount; do
	ln -sf /dev/null "/etc/systemd/system/$unit"
done
# Timers write when they like: a listing of a machine on which nothing was done has to stay the same.
for unit in apt-daily apt-daily-upgrade dpkg-db-backup e2scrub_all fstrim systemd-tmpfiles-clean; do
	ln -sf /dev/null "/etc/systemd/system/$unit.timer"
done
ln -sf /dev/null /etc/systemd/system/e2scrub_reap.service
# A process that ignores SIGTERM would hold a reboot for 90 seconds.
mkdir -p /etc/systemd/system.conf.d
printf '[Manager]\nDefaultTimeoutStopSec=10s\n' >/etc/systemd/system.conf.d/lab.conf

# --- kernel modules: where the kernel has none to load, modprobe has to know that these are built in
release=$(uname -r)
mkdir -p "/lib/modules/$release"
printf 'kernel/%s.ko\n' net/bridge/br_netfilter fs/overlayfs/overlay drivers/net/vxlan/vxlan \
	net/netfilter/nf_conntrack net/ipv4/netfilter/ip_tables >"/lib/modules/$release/modules.builtin"
: >"/lib/modules/$release/modules.order"
depmod -a "$release"

# --- packages to install, in a signed repository on the machine itself, as the lab has no network
bash /mnt/packages.sh
rm -f /etc/apt/sources.list
echo 'deb [signed-by=/etc/apt/keyrings/lab.asc] file:/srv/lab-apt ./' >/etc/apt/sources.list.d/lab.list
apt-get clean
rm -rf /var/lib/apt/lists/*
apt-get -q update
apt-cache policy >/dev/null
rm -rf /var/log/*.log /var/log/apt/* /var/cache/ldconfig/* /tmp/* /var/tmp/*
