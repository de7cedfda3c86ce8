#!/usr/bin/env bash
# Checks everything in this folder that can be checked without a container registry, a cluster, or
# systemd as the first process: each NAME/check.sh. `packaging/check.sh nginx` runs one of them.
#
# A check whose tools are not installed is skipped, and says so; it fails instead if
# PACKHOUSE_TEST_REQUIRE=all. `packaging/check.sh --tools` installs the tools (Debian, as root).
#
# PACKHOUSE_BINARY: the program to check with; otherwise the one that cargo has built for the tests.
set -euo pipefail
cd "$(dirname "$0")"

if [ "${1:-}" = --tools ]; then
  exec ./tools.sh
fi

PACKHOUSE_BINARY=${PACKHOUSE_BINARY:-${CARGO_TARGET_DIR:-$PWD/../target}/debug/packhouse}
PACKHOUSE_BINARY=$(realpath "$PACKHOUSE_BINARY")
export PACKHOUSE_BINARY
[ -x "$PACKHOUSE_BINARY" ] || { echo "no program at $PACKHOUSE_BINARY: cargo build --workspace" >&2; exit 1; }

# All at once: the longest one waits for the network. Their output is printed one after the other.
output=$(mktemp -d)
trap 'rm -rf "$output"' EXIT
names=()
for check in ${@:-*/check.sh}; do
  name=${check%/check.sh}
  names+=("$name")
  {
    status=0
    bash "$name/check.sh" || status=$?
    echo "$status" "$SECONDS" >"$output/$name.status"
  } >"$output/$name" 2>&1 &
done
wait

passed=0 failed=0 skipped=0
for name in "${names[@]}"; do
  read -r status seconds <"$output/$name.status"
  case $status in
    0) passed=$((passed + 1)) result=ok ;;
    77) skipped=$((skipped + 1)) result=SKIPPED ;;
    *) failed=$((failed + 1)) result=FAILED ;;
  esac
  printf -- '-- %s: %s, %d s\n' "$name" "$result" "$seconds"
  cat "$output/$name"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
