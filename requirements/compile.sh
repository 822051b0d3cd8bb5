#!/bin/sh
# Compile the exact pins from the ranges in pyproject.toml. torch stands apart (torch.txt), without a hash: its CPU
# build differs from the default one, and whichever the index offers is right. The override leaves it out where
# another package asks for it.
set -eu
uv=$1
cd "$(dirname "$0")/.."
apart=$(mktemp)
echo "torch ; python_version < '3'" > "$apart"
compile() {
    extra=$1; shift
    "$uv" pip compile pyproject.toml --quiet --extra "$extra" --universal --python-version 3.11 --generate-hashes \
        --no-header --no-annotate --override "$apart" \
        --output-file "requirements/$extra.txt" "$@"
}
pins=$(mktemp); trap 'rm -f "$pins" "$apart"' EXIT
compile serve ${CONSTRAINT:+--constraint "$CONSTRAINT"}
sed -n 's/^\([a-zA-Z0-9._-]*==.*[^ \\]\) *\\*$/\1/p' requirements/serve.txt > "$pins"
compile dev --constraint "$pins"
sed -n 's/^\([a-zA-Z0-9._-]*==.*[^ \\]\) *\\*$/\1/p' requirements/dev.txt >> "$pins"
compile train --constraint "$pins"
