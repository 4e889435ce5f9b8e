#!/bin/sh
# Prints the SHA-256 of everything that a component is built from, to be kept beside it as `reference.sources`: the
# runner of the transcripts refuses a component that is older than its source.
#
#     guest-sdk/reference/sources.sh python >OUT/reference.sources
#
# The argument is a directory of guest-sdk. Lines are those of sha256sum, with paths from the root of the repository.
set -eu
language=$1
cd "$(dirname "$0")/../.."
find "guest-sdk/$language" wit -type f \
    -not -name '*.md' -not -path '*/tests/*' -not -path '*/testing/*' \
    -not -path '*/.tools/*' -not -path '*/target/*' -not -path '*/node_modules/*' -not -path '*/__pycache__/*' |
    LC_ALL=C sort | xargs sha256sum
