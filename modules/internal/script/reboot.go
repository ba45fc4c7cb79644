package script

// RestartWanted writes "yes" where the machine asks for a restart: by the file
// that maintainer scripts of Debian and Ubuntu leave (a kernel, libc, systemd),
// or by needs-restarting(1) of yum-utils and dnf, which ends with 1 then. Whether a newer kernel is installed than the one that
// runs is not guessed.
const RestartWanted = `
if [ -e /var/run/reboot-required ]; then
	echo yes
elif command -v needs-restarting >/dev/null; then
	needs-restarting -r >/dev/null 2>&1
	[ "$?" -ne 1 ] || echo yes
fi
`
