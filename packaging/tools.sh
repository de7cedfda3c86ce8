#!/usr/bin/env bash
# Installs what the checks need: Debian packages, as root; cargo-deb, which cargo builds in a minute; and
# the schemas of Kubernetes, a Python package, in a folder of its own.
set -euo pipefail

packages=()
want() { command -v "$1" >/dev/null || packages+=("$2"); }
want systemd-analyze systemd
want promtool prometheus
want nginx nginx
want caddy caddy
want openssl openssl
want mmdebstrap mmdebstrap
want man man-db
want dpkg-deb dpkg
want strip binutils
want setpriv util-linux
want curl curl
want python3 python3
python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)
/usr/bin/python3 -c 'import yaml' 2>/dev/null || packages+=(python3-yaml)
want docker-compose docker-compose
if [ "${#packages[@]}" != 0 ]; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  apt-get install -qy --no-install-recommends "${packages[@]}"
fi

# Not the release build: that one takes minutes, and saves a second.
target=$(realpath -m "${CARGO_TARGET_DIR:-$(dirname "$0")/../target}")
cargo deb --version >/dev/null 2>&1 ||
  CARGO_TARGET_DIR=$target/cargo-deb cargo install cargo-deb --version 3.8.0 --locked --debug \
    --no-default-features --features gzip --config profile.dev.debug=false
rm -rf "$target/cargo-deb"

command -v kubernetes-validate >/dev/null || [ -x "$target/kubernetes-validate/bin/kubernetes-validate" ] || {
  python3 -m venv "$target/kubernetes-validate"
  "$target/kubernetes-validate/bin/pip" install --quiet --disable-pip-version-check kubernetes-validate==1.37.0
}
