// Package lab runs real machines for tests: Debian with its own systemd and sshd, each in a container of systemd-nspawn,
// joined by a network that nothing else is on. `go run ./test/lab/cmd/lab up` starts them by hand; a test package that
// calls [Main] from its TestMain gets them by itself.
//
// The package knows how to make the image, how to boot, cut and reset machines, and how to put the host back as it was.
// It does not know what is tested on them: nothing of kplan is in the image, and nothing here is imported from kplan.
//
// # The machines
//
// k8s-node1, k8s-node2, k8s-node3 … at 10.0.2.15, 10.0.2.24, 10.0.2.25, 10.0.2.26 …, reachable from the network namespace
// kplan-lab only, whose own address is 10.0.2.1. There is no way out: no DNS, no mirror.
//
//	root   key of the lab, or password "vagrant"
//	ops    key of the lab, or password "ops-password"; sudo asks for that password
//	ops2   key of the lab, or password "ops2-password"; sudo asks for nothing
//
// A signed apt repository in /srv/lab-apt, already updated, offers lab-hello 1.0-1 and 2.0-1, lab-daemon 1.0-1 (a service
// that its package enables and starts) and lab-conf 1.0-1 (ships the configuration file /etc/lab-conf.conf).
//
// k8s-node1 has a swap file of 16 MB in /etc/fstab that no boot turns on; `swapon -a` does. Swap belongs to the kernel that
// all machines and the host share, so while it is on, every machine sees it, and powering k8s-node1 off turns it off.
//
// # What is not like a real machine
//
// The kernel is the host's: the clock cannot be set, sysctls outside net.* are shared (they are put back by Down), modules
// that a machine loads stay loaded. There is no udev, no boot loader, no disk of its own, and cutting the power loses no
// data that was written.
//
// On hosts with cgroup v1, or systemd's hybrid of v1 and v2, the lab is tested. For hosts with cgroup v2 alone, which most
// are, it is written and was tried with a v2 hierarchy that had none of the usual controllers: such a host is UNTESTED.
package lab
