#!/usr/bin/env bash
# The Debian package is built from the program that is there, and installed, upgraded, removed and purged
# in a new root folder with nothing but Debian's essential packages and systemd.
. "$(dirname "$0")/../lib.sh"
PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
need cargo cargo-deb mmdebstrap dpkg-deb man setpriv

[ "$(id -u)" = 0 ] || fail "needs root, for chroot"
# shellcheck source=/dev/null
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
sources=/etc/apt/sources.list.d/debian.sources
[ -e "$sources" ] || sources=/etc/apt/sources.list
root=$scratch/root
began=$SECONDS
for attempt in 1 2; do
  rm -rf "$root"
  mmdebstrap --variant=essential --mode=root --include=init-system-helpers,systemd,util-linux \
    "$suite" "$root" "$sources" >"$scratch/log" 2>&1 && break
  [ "$attempt" = 1 ] || fail "mmdebstrap: $(tail -5 "$scratch/log")"
done
echo "root folder: $((SECONDS - began)) s"

# With the program of the tests: a release build takes minutes.
mkdir -p "$scratch/target/release"
strip -o "$scratch/target/release/packhouse" "$PACKHOUSE_BINARY"
CARGO_TARGET_DIR=$scratch/target ./build.sh --no-build --no-strip --quiet --fast -Z gz --compress-system \
  --output "$root/packhouse.deb" >/dev/null
rm -r "$scratch/target"
dpkg-deb --info "$root/packhouse.deb" | grep -E '^ (Version|Depends):'

# Runs a command in the root folder, which gets a /proc that goes away with the command.
inside() {
  unshare --mount sh -c 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"' "$root" \
    /usr/bin/env -i PATH=/usr/sbin:/usr/bin DEBIAN_FRONTEND=noninteractive "$@"
}
inside dpkg --install /packhouse.deb >"$scratch/log" 2>&1 || fail "$(cat "$scratch/log")"

# What an operator relies on: the user, the folders, the settings, and which units start with the system.
[ "$(inside stat --format='%U %a' /var/lib/packhouse /etc/packhouse/packhouse.env | xargs)" = "packhouse 700 root 600" ] ||
  fail "owners and modes"
for unit in packhouse-serve.service=enabled packhouse-prune.timer=enabled packhouse-worker.service=disabled \
  packhouse-verify.timer=disabled packhouse-migrate.service=static; do
  state=$(inside systemctl is-enabled "${unit%=*}" || true)
  [ "$state" = "${unit#*=}" ] || fail "$unit, but it is $state"
done
inside packhouse --version
inside packhouse-admin --quiet repo create a/b >/dev/null
[ "$(inside stat --format=%U /var/lib/packhouse/catalog.db)" = packhouse ] || fail "the store belongs to another user"

# Every page that a unit names is there, and man finds no fault with any.
for page in $(sed -n 's/^Documentation=man:\(.*\)(1)$/\1/p' ../systemd/*.service) packhouse packhouse-repo-create; do
  [ -e "$root/usr/share/man/man1/$page.1.gz" ] || fail "no manual page of $page"
done
for page in "$root"/usr/share/man/man1/packhouse*; do
  said=$(LC_ALL=C.UTF-8 MANWIDTH=200 man --warnings=mac --local-file "$page" 2>&1 >"$scratch/page") || fail "$page: $said"
  [ -z "$said" ] || fail "$page: $said"
  grep -q '^SYNOPSIS' "$scratch/page" || fail "$page has no synopsis"
done
bash -euc '. "$1" && complete -p packhouse >/dev/null' - "$root/usr/share/bash-completion/completions/packhouse"

# An upgrade (here, to the same version) keeps what the operator has set; a purge keeps the store.
inside sed -i "s/^PRUNE_OPTIONS=.*/PRUNE_OPTIONS='--grace 30d'/" /etc/packhouse/packhouse.env
inside systemctl disable packhouse-prune.timer 2>/dev/null
inside dpkg --install --force-confold /packhouse.deb >"$scratch/log" 2>&1 || fail "$(cat "$scratch/log")"
inside grep -q 'grace 30d' /etc/packhouse/packhouse.env || fail "the upgrade lost a setting"
[ "$(inside systemctl is-enabled packhouse-prune.timer || true)" = disabled ] || fail "the upgrade enabled a timer again"
inside dpkg --remove packhouse >"$scratch/log" 2>&1 || fail "$(cat "$scratch/log")"
inside test ! -e /usr/bin/packhouse -a -e /etc/packhouse/packhouse.env || fail "removal"
inside dpkg --purge packhouse >"$scratch/log" 2>&1 || fail "$(cat "$scratch/log")"
inside test ! -e /etc/packhouse/packhouse.env -a -e /var/lib/packhouse/catalog.db || fail "purge"
left=$(inside find /etc/systemd/system -name 'packhouse*')
[ -z "$left" ] || fail "left by the purge: $left"
echo "installed, upgraded, removed and purged in a new root folder; the store is still there"
