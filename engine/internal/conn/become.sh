# Becomes another user. What comes before sets P (the prompt, which also
# greets), U (the user), M (sudo, doas or su) and S (what the new shell runs).

[ "$(id -u)" != 0 ] || exec /bin/sh -c "$S" "$P"
case $M in
sudo) exec sudo -S -p "$P" -u "$U" -- /usr/bin/env -i PATH="$PATH" LC_ALL=C /bin/sh -c "$S" "$P" ;;
doas) exec doas -n -u "$U" /usr/bin/env -i PATH="$PATH" LC_ALL=C /bin/sh -c "$S" "$P" ;;
su) exec su "$U" -c "exec /usr/bin/env -i PATH='$PATH' LC_ALL=C /bin/sh -c '$S' $P" ;;
esac
