#!/usr/bin/env bash
# Builds the components from source: the reference artifact (components/artifact), and the hostile one that hosts are
# tested with (components/hostile).
#   components/rebuild.sh           build, and replace what is checked in
#   components/rebuild.sh --check   build, and compare with what is checked in; changes nothing
#
# Needs a compiler with a WebAssembly target or the standard library's source. It takes, in this order: rustup's
# wasm32 target for the active toolchain; Debian's rustc-web with rust-web-src (installed if apt-get
# is here). The artifact was built with the latter: see components/artifact/provenance.toml.
set -euo pipefail
cd "$(dirname "$0")/.."

target=wasm32-unknown-unknown
out=$PWD/target/component
sysroot=$(rustc --print sysroot)
host=$(rustc -vV | sed -n 's/^host: //p')
lld=$sysroot/lib/rustlib/$host/bin/rust-lld
debian_rustc=/usr/bin/rustc
debian_source=/usr/lib/rustlib/src/rust

have_debian() { [ -x "$debian_rustc" ] && [ -d "$debian_source" ]; }

if ! have_debian && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  echo "installing rustc-web and rust-web-src" >&2
  { apt-get update -q && apt-get install -qy --no-install-recommends rustc-web rust-web-src; } >&2 || true
fi

# Settings of the shell that would change the bytes: with CARGO_INCREMENTAL=1, a crate is compiled in other units.
for setting in $(compgen -e); do
  case $setting in
    CARGO_TARGET_DIR) ;; # where the last step, a host's program, is built
    CARGO_INCREMENTAL | CARGO_PROFILE_* | CARGO_BUILD_* | CARGO_TARGET_* | CARGO_UNSTABLE_*) unset "$setting" ;;
    CARGO_ENCODED_RUSTFLAGS | RUSTFLAGS | RUSTC | RUSTC_*) unset "$setting" ;;
  esac
done

# Paths of this machine stay out of the bytes.
cargo_home=${CARGO_HOME:-$HOME/.cargo}
remap="--remap-path-prefix=$cargo_home=/cargo --remap-path-prefix=$PWD=/packhouse --remap-path-prefix=$debian_source=/rust"
build=(cargo build --locked --quiet -p packhouse-guest -p packhouse-hostile --profile guest --target "$target")

if have_debian; then
  export RUSTC=$debian_rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$lld
  build+=(-Zbuild-std=std,panic_abort)
elif ! [ -d "$sysroot/lib/rustlib/$target" ]; then
  rustup target add "$target" >&2 || {
    echo "no WebAssembly target: 'rustup target add $target' failed, and Debian's rustc-web and rust-web-src are not here" >&2
    exit 1
  }
fi
version=$("${RUSTC:-rustc}" --version)
echo "building the components with $version" >&2
CARGO_TARGET_DIR=$out RUSTFLAGS=$remap "${build[@]}" >&2
unset RUSTC RUSTC_BOOTSTRAP

cargo run --locked --quiet --example componentize -- "$out/$target/guest" "$version" "$@"
