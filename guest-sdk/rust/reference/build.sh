#!/bin/sh
# Builds the reference filter:  build.sh [DIRECTORY] | build.sh --versions
#
# Writes reference.wasm and reference.sources into DIRECTORY (default: target/languages/rust below the repository, or below
# $CARGO_TARGET_DIR). The toolchain is rustup's; cargo works in $LAZARET_TOOLS (default: guest-sdk/rust/.tools).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
sdk=$(dirname "$here")
root=$(dirname "$(dirname "$sdk")")
tools=${LAZARET_TOOLS:-$sdk/.tools}

install() {
    command -v cargo >/dev/null || {
        echo "build.sh: cargo is missing; install Rust with rustup" >&2
        exit 1
    }
    [ -d "$(rustc --print target-libdir --target wasm32-wasip2)" ] || rustup target add wasm32-wasip2
}

install
if [ "${1:-}" = --versions ]; then
    rustc --version
    exit
fi

out=${1:-${CARGO_TARGET_DIR:-$root/target}/languages/rust}
mkdir -p "$out"
# Its flags are in the repository's `.cargo/config.toml`, which is found from there, and others would stand in for them.
case $out in /*) ;; *) out=$PWD/$out ;; esac
case $tools in /*) ;; *) tools=$PWD/$tools ;; esac
cd "$root"
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
cargo build --quiet --locked --manifest-path "$here/Cargo.toml" --lib --target wasm32-wasip2 --profile guest --target-dir "$tools"
sh "$sdk/../reference/sources.sh" rust >"$out/reference.sources"
cp "$tools/wasm32-wasip2/guest/lazaret_reference.wasm" "$out/reference.wasm.part"
mv "$out/reference.wasm.part" "$out/reference.wasm"
