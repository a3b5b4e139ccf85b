#!/usr/bin/env bash
# Downloads the wheels that check.sh brings to a machine without network: bash benchmarks/gpu/wheels.sh [PYTHON_VERSION]
# They lie in benchmarks/gpu/wheels afterwards, for Linux on x86-64 and Python 3.12 unless another version is given.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
most_mb=40
rm -rf "$here/wheels"
"${PYTHON:-python3}" -m pip download -q --no-deps --only-binary=:all: --python-version "${1:-3.12}" \
    --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
    --requirement "$here/wheels.txt" --constraint "$here/../../constraints.txt" --dest "$here/wheels"
size_mb=$(du -sm "$here/wheels" | cut -f1)
echo "$(ls "$here/wheels" | wc -l) wheels of $size_mb MB in $here/wheels"
[ "$size_mb" -lt "$most_mb" ] || { echo "more than $most_mb MB" >&2 && exit 1; }
