#!/usr/bin/env bash
# Installs what the checks need: Debian packages, as root. None of their services is started.
set -euo pipefail

packages=()
want() { command -v "$1" >/dev/null || packages+=("$2"); }
want systemd-analyze systemd
want python3 python3
[ "${#packages[@]}" = 0 ] && exit

export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -qy --no-install-recommends "${packages[@]}"
