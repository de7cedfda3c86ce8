#!/usr/bin/env bash
# The units are valid, and hardened. No service manager has to run: all of it is read from files.
. "$(dirname "$0")/../lib.sh"
need systemd-analyze

# A root folder with the units as they are installed, and the programs that they start.
root=$scratch/root units=$scratch/root/usr/lib/systemd/system
mkdir -p "$units" "$root/usr/bin" "$root/bin" "$root/etc/packhouse"
cp -r ./*.service ./*.timer packhouse-.service.d "$units"
cp /usr/lib/systemd/system/*.target "$units"
cp packhouse.env "$root/etc/packhouse"
cp /bin/sh "$root/bin"
ln "$PACKHOUSE_BINARY" "$root/usr/bin/packhouse" 2>/dev/null || cp "$PACKHOUSE_BINARY" "$root/usr/bin/packhouse"

# Prints nothing, unless something is wrong; some versions exit with 0 all the same.
said=$(systemd-analyze --root="$root" --man=no verify ./*.service ./*.timer 2>&1) || fail "$said"
[ -z "$said" ] || fail "$said"

# The exposure goes from 0 to 100 here; the table shows a tenth of that. 30 is what was asked for.
for unit in *.service; do
  systemd-analyze --root="$root" security --offline=yes --threshold=20 "$unit" | tail -1
done

# The user and the folder of the store, made in that root.
systemd-sysusers --root="$root" "$PWD/packhouse.sysusers"
systemd-tmpfiles --root="$root" --create "$PWD/packhouse.tmpfiles"
owner=$(awk -F: '$1 == "packhouse" { print $3, $6 }' "$root/etc/passwd")
[ "$(stat --format='%u %a' "$root/var/lib/packhouse") $owner" = "${owner% *} 700 $owner" ] || fail "the folder of the store"

# The file of settings means the same to systemd and to a shell: `packhouse-admin` reads it, too. Values
# that are commented out are tried as well.
sed 's/^#\([A-Z_0-9]*=\)/\1/' packhouse.env >"$scratch/env"
! grep -vE "^(#.*|[A-Z][A-Z_0-9]*=('[^']*'|[A-Za-z0-9:/._-]*)|)$" "$scratch/env" || fail "not plain NAME=VALUE lines"
bash -euc '. "$1"' - "$scratch/env"
sh -n packhouse-admin

# The services accept their settings: each runs once on a new store; the server until it listens.
set -a
. ./packhouse.env
PACKHOUSE_DATA=$scratch/store
set +a
sh -ec "$(sed -n 's/^ExecStartPre=.bin.sh -c .\(.*\).$/\1/p' packhouse-serve.service |
  sed "s,/usr/bin/packhouse,$PACKHOUSE_BINARY,; s/\\$\\$/$/g")" || fail "ExecStartPre on a new store"
"$PACKHOUSE_BINARY" serve ${SERVE_OPTIONS/:7070/:0} >"$scratch/said" 2>&1 &
started+=($!)
until_works grep -q '^Serving on' "$scratch/said"
"$PACKHOUSE_BINARY" --quiet migrate --check >/dev/null
"$PACKHOUSE_BINARY" --quiet worker --drain $WORKER_OPTIONS
"$PACKHOUSE_BINARY" --quiet prune $PRUNE_OPTIONS
"$PACKHOUSE_BINARY" --quiet verify $VERIFY_OPTIONS
