# Makes a machine of the namespaces that this runs in, says so, and is its first
# process until standard input ends. Of the host it has the programs and a copy
# of /etc, and can change nothing.
#   $1 an empty directory   $2 name   $3 machine-id   $4 its systemctl
set -e
mount -t tmpfs -o mode=755 machine "$1"
cd "$1"
mkdir -p dev etc host proc root run tmp var/lib
for d in bin lib lib32 lib64 libx32 sbin usr; do
	if [ -L "/$d" ]; then
		cp -P "/$d" .
	elif [ -d "/$d" ]; then
		mkdir "$d"
		mount --bind "/$d" "$d"
		mount -o remount,bind,ro "$d"
	fi
done
mount --bind /dev dev
mount -o remount,bind,ro dev
mount -t proc proc proc
cp -a /etc/. etc
rm -f etc/machine-id
printf '%s\n' "$3" >etc/machine-id
printf '%s\n' "$2" >proc/sys/kernel/hostname
mount -t tmpfs -o mode=755 machine usr/local/sbin
printf '%s' "$4" >usr/local/sbin/systemctl
chmod 755 usr/local/sbin/systemctl
pivot_root . host
umount -l /host
rmdir /host
# Nobody waits for the children that commands leave behind.
trap '' CHLD
echo up
exec cat
