#!/bin/sh
# Makes the lab's layer over a base tree. Runs in a mount and pid namespace of its own, so that nothing outlives it.
# usage: layer.sh BASE DIR    DIR/seed holds these files; leaves DIR/upper (the layer) and DIR/var (a machine's first /var)
set -eu
base=$1 dir=$2
mkdir "$dir/upper" "$dir/work" "$dir/root"
mount -t overlay overlay -o "lowerdir=$base,upperdir=$dir/upper,workdir=$dir/work" "$dir/root"
mount -t proc proc "$dir/root/proc"
mount --bind "$dir/seed" "$dir/root/mnt"
env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C chroot "$dir/root" /bin/bash /mnt/seed.sh
cp -a "$dir/root/var" "$dir/var"
