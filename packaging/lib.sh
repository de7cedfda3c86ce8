# What the checks share. Each begins with: . "$(dirname "$0")/../lib.sh"
set -euo pipefail
cd "$(dirname "$0")"

# Debian's own, because it has the module yaml.
python=/usr/bin/python3

# A folder for this check. It goes away when the check ends, and so do the processes in `started`.
scratch=$(mktemp -d)
started=()
cleanup() {
  for process in "${started[@]}"; do kill "$process" 2>/dev/null || true; done
  for process in "${started[@]}"; do wait "$process" 2>/dev/null || true; done
  rm -rf "$scratch"
}
trap cleanup EXIT
trap 'echo "FAILED: $0, line $LINENO: $BASH_COMMAND" >&2' ERR

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# Skips the check, loudly, unless all of these programs are installed.
need() {
  local tool
  for tool; do
    command -v "$tool" >/dev/null && continue
    [ "${PACKHOUSE_TEST_REQUIRE:-}" != all ] || fail "$tool is not installed; see packaging/tools.sh"
    echo "SKIPPED: $tool is not installed; see packaging/tools.sh" >&2
    exit 77
  done
}

# Waits up to half a minute until a command works.
until_works() {
  for _ in $(seq 300); do
    "$@" >/dev/null 2>&1 && return
    sleep 0.1
  done
  fail "still failing after half a minute: $*"
}

# A port of this machine that nothing listens on.
free_port() {
  $python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
