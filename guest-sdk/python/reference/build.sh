#!/bin/sh
# Builds the reference filter:  build.sh [DIRECTORY] | build.sh --versions
#
# Writes reference.wasm and reference.sources into DIRECTORY (default: target/languages/python below the repository, or
# below $CARGO_TARGET_DIR). The toolchain goes once into $LAZARET_TOOLS (default: guest-sdk/python/.tools).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
sdk=$(dirname "$here")
root=$(dirname "$(dirname "$sdk")")
tools=${LAZARET_TOOLS:-$sdk/.tools}
componentize=$tools/python/bin/componentize-py

install() {
    command -v python3 >/dev/null || {
        echo "build.sh: python3 is missing; install Python 3.10 or later with its venv module" >&2
        exit 1
    }
    wanted=$(sed -n 's/^componentize-py==//p' "$sdk/requirements.txt")
    case $("$componentize" --version 2>/dev/null || true) in *" $wanted") return ;; esac
    python3 -m venv "$tools/python"
    "$tools/python/bin/pip" install --quiet --disable-pip-version-check -r "$sdk/requirements.txt"
}

install
if [ "${1:-}" = --versions ]; then
    "$componentize" --version
    "$tools/python/bin/python" --version
    exit
fi

out=${1:-${CARGO_TARGET_DIR:-$root/target}/languages/python}
mkdir -p "$out"
"$componentize" --quiet -d "$root/wit" -d "$here/reference.wit" -w example:reference/reference \
    componentize -p "$here" -p "$sdk/lib" reference -o "$out/reference.wasm.part"
sh "$sdk/../reference/sources.sh" python >"$out/reference.sources"
mv "$out/reference.wasm.part" "$out/reference.wasm"
