#!/bin/sh
# All of systemctl that the spec of package crash needs, for its service: starts
# are counted as the unit counts them. What it does not know it refuses.
d=/run/systemctl

refuse() {
	echo "this systemctl does not know: $*" >&2
	exit 64
}

# start counts before it says that the service runs, as ExecStartPre= does.
start() {
	cat /etc/kplan-crash/conf >>/var/lib/count.start && echo >>/var/lib/count.start && : >"$d/active"
}

mkdir -p "$d" || exit
loaded=not-found
[ ! -e /etc/systemd/system/counted.service ] || loaded=loaded
case $* in
daemon-reload) exit ;;
'show --property=LoadState,ActiveState,SubState,UnitFileState -- counted.service')
	echo "LoadState=$loaded"
	if [ -e "$d/active" ]; then
		printf 'ActiveState=active\nSubState=running\n'
	else
		printf 'ActiveState=inactive\nSubState=dead\n'
	fi
	case $loaded in
	not-found) echo UnitFileState= ;;
	*) if [ -e "$d/enabled" ]; then echo UnitFileState=enabled; else echo UnitFileState=disabled; fi ;;
	esac
	exit
	;;
'enable -- counted.service' | 'start -- counted.service' | 'restart -- counted.service') ;;
*) refuse "$@" ;;
esac
if [ "$loaded" = not-found ]; then
	echo "there is no counted.service" >&2
	exit 5
fi
case $1 in
enable) : >"$d/enabled" ;;
start) [ -e "$d/active" ] || start ;;
restart)
	rm -f "$d/active"
	start
	;;
esac
