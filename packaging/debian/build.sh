#!/usr/bin/env bash
# Builds the Debian package with cargo-deb; prints the path of the .deb. What is in it:
# [package.metadata.deb] in tui/Cargo.toml.
#
# packaging/debian/build.sh [--no-build] [cargo-deb's options…]
#   --no-build  package the program that is in target/release already
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ "${1:-}" = --no-build ]; then
  shift
else
  cargo build --workspace --bin packhouse --release --locked >&2
fi

folder=${CARGO_TARGET_DIR:-target}/release
made=$folder/debian-assets
rm -rf "$made"
mkdir -p "$made/man" "$made/completions"
"$folder/packhouse" --quiet manual "$made/man" >/dev/null
gzip --best --no-name "$made"/man/*.1
for shell in bash zsh fish; do
  "$folder/packhouse" completions "$shell" >"$made/completions/$shell"
done

cargo deb --package packhouse --no-build "$@"
