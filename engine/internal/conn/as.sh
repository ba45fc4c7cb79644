# as USER ARGV: becomes the command.
as() {
	_u=$1
	shift
	if [ -z "$_u" ] || [ "$_u" = "$(id -un)" ] || [ "$_u" = "$(id -u)" ]; then
		exec "$@"
	elif command -v runuser >/dev/null; then
		exec runuser -u "$_u" -- "$@"
	elif command -v setpriv >/dev/null; then
		exec setpriv --reuid "$(id -u "$_u")" --regid "$(id -g "$_u")" --init-groups -- "$@"
	fi
	# shellcheck disable=SC2016 # expanded by the shell that su starts
	exec su -s /bin/sh "$_u" -c 'exec "$0" "$@"' "$@"
}
