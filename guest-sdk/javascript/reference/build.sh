#!/bin/sh
# Builds the reference filter:  build.sh [DIRECTORY] | build.sh --versions
#
# Writes reference.wasm and reference.sources into DIRECTORY (default: target/languages/javascript below the repository,
# or below $CARGO_TARGET_DIR). The toolchain goes once into $LAZARET_TOOLS (default: guest-sdk/javascript/.tools).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
sdk=$(dirname "$here")
root=$(dirname "$(dirname "$sdk")")
tools=${LAZARET_TOOLS:-$sdk/.tools}/javascript
componentize=$tools/node_modules/.bin/componentize-qjs

install() {
    command -v npm >/dev/null || {
        echo "build.sh: npm is missing; install Node.js 20.6 or later" >&2
        exit 1
    }
    mkdir -p "$tools"
    if [ -x "$componentize" ] && cmp -s "$sdk/package.json" "$tools/package.json"; then return; fi
    cp "$sdk/package.json" "$tools"
    # Every version in package.json is exact, and the one dependency names those of its parts.
    (cd "$tools" && npm install --silent --omit=dev --no-package-lock)
}

install
if [ "${1:-}" = --versions ]; then
    echo "componentize-qjs $(cd "$tools" && node -p 'require("componentize-qjs/package.json").version')"
    echo "node $(node --version)"
    exit
fi

out=${1:-${CARGO_TARGET_DIR:-$root/target}/languages/javascript}
mkdir -p "$out"
out=$(cd "$out" && pwd)
# The tool takes one directory of WIT: the filter's world, and the contract below deps.
wit=$(mktemp -d)
trap 'rm -rf "$wit"' EXIT
mkdir "$wit/deps"
cp "$here/reference.wit" "$wit"
ln -s "$root/wit" "$wit/deps/lazaret-filter"
(cd "$sdk" && "$componentize" --sync --wit "$wit" --world reference --module-root . --js reference/reference.js \
    --output "$out/reference.wasm.part" >/dev/null)
sh "$sdk/../reference/sources.sh" javascript >"$out/reference.sources"
mv "$out/reference.wasm.part" "$out/reference.wasm"
