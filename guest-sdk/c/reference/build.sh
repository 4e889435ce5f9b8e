#!/bin/sh
# Builds the reference filter:  build.sh [DIRECTORY] | build.sh --versions
#
# Writes reference.wasm and reference.sources into DIRECTORY (default: target/languages/c below the repository, or below
# $CARGO_TARGET_DIR). The toolchain goes once into $LAZARET_TOOLS (default: guest-sdk/c/.tools).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
sdk=$(dirname "$here")
root=$(dirname "$(dirname "$sdk")")
tools=${LAZARET_TOOLS:-$sdk/.tools}
export ZIG_GLOBAL_CACHE_DIR="$tools/zig-cache" ZIG_LOCAL_CACHE_DIR="$tools/zig-cache"

zig() { "$tools/zig/bin/python" -m ziglang "$@"; }

install() {
    command -v python3 >/dev/null || {
        echo "build.sh: python3 is missing; install Python 3 with its venv module" >&2
        exit 1
    }
    wanted=$(sed -n 's/^ziglang==//p' "$sdk/requirements.txt")
    [ "$(zig version 2>/dev/null || true)" = "$wanted" ] || {
        python3 -m venv "$tools/zig"
        "$tools/zig/bin/pip" install --quiet --disable-pip-version-check -r "$sdk/requirements.txt"
    }
    cargo build --quiet --locked --manifest-path "$sdk/tool/Cargo.toml" --target-dir "$tools/tool"
}

install
if [ "${1:-}" = --versions ]; then
    echo "zig $(zig version)"
    sed -n 's/^wit-component = "\(.*\)"/wit-component \1/p' "$sdk/tool/Cargo.toml"
    exit
fi

out=${1:-${CARGO_TARGET_DIR:-$root/target}/languages/c}
mkdir -p "$out"
zig cc -target wasm32-wasi -mexec-model=reactor -std=c17 -Os -Wall -Wextra -Werror -s -I "$sdk/include" \
    "$here"/*.c "$sdk"/src/*.c -o "$out/reference.module"
"$tools/tool/debug/lazaret-c" component "$out/reference.module" "$out/reference.wasm.part"
sh "$sdk/../reference/sources.sh" c >"$out/reference.sources"
rm "$out/reference.module"
mv "$out/reference.wasm.part" "$out/reference.wasm"
