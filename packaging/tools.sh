#!/usr/bin/env bash
# Installs what the checks need: Debian packages, as root. None of their services is started.
set -euo pipefail

packages=()
want() { command -v "$1" >/dev/null || packages+=("$2"); }
want systemd-analyze systemd
want promtool prometheus
want nginx nginx
want caddy caddy
want openssl openssl
want curl curl
want python3 python3
/usr/bin/python3 -c 'import yaml' 2>/dev/null || packages+=(python3-yaml)
[ "${#packages[@]}" = 0 ] && exit

export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -qy --no-install-recommends "${packages[@]}"
