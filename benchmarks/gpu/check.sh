#!/usr/bin/env bash
# Checks ghostnas on a machine with an NVIDIA GPU: bash benchmarks/gpu/check.sh OUT_FOLDER [--dry-run]
# README.md beside this says what is in OUT_FOLDER afterwards. BUDGET_S: seconds for the whole, 960 by default.
# PARTS: those to run, all by default. Two calls of 480 s: PARTS="0 1 2 3 5 8 4", then PARTS="6 7".
set -u
out=${1:?usage: check.sh OUT_FOLDER [--dry-run]}
dry=${2:-}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out" && out=$(cd "$out" && pwd)
logs=$(mktemp -d)
work=$(mktemp -d)
slower=${dry:+5} # a CPU may take its time
slower=${slower:-1}
budget=$((${BUDGET_S:-960} * slower))
parts=" ${PARTS:-0 1 2 3 4 5 6 7 8} "
python=${PYTHON:-python3}
: > "$out/results.jsonl"
export PYTHONPATH="$here/../..${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
# Where wheels.sh has brought some, they come before what is installed.
if compgen -G "$here/wheels/*.whl" > /dev/null; then
    "$python" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --target "$work/site" \
        "$here"/wheels/*.whl || exit 1
    export PYTHONPATH="$work/site:$PYTHONPATH"
fi
export GHOSTNAS_CACHE="$work/cache" MPLCONFIGDIR="$work/matplotlib" GHOSTNAS_GPU_WORK="$work"
# A source tree is no installed package, and keys of caches hold the version that is installed.
if ! "$python" -c 'from importlib.metadata import version; version("ghostnas")' 2> /dev/null; then
    version=$("$python" -c 'import nas; print(nas.__version__)')
    mkdir -p "$work/installed/ghostnas-$version.dist-info"
    printf 'Metadata-Version: 2.1\nName: ghostnas\nVersion: %s\n' "$version" \
        > "$work/installed/ghostnas-$version.dist-info/METADATA"
    export PYTHONPATH="$PYTHONPATH:$work/installed"
fi

# part NUMBER SECONDS: runs one part under a time limit of its own, within what is left of the whole.
part() {
    case "$parts" in *" $1 "*) ;; *) return ;; esac
    local left=$((budget - SECONDS - 8)) limit=$(($2 * slower)) code began=$SECONDS
    [ "$limit" -le "$left" ] || limit=$left
    if [ "$limit" -lt 15 ]; then
        echo "part $1: no time left" | tee "$logs/$1"
        return
    fi
    GHOSTNAS_GPU_PART_S=$limit timeout -k 5 "$limit" "$python" "$here/part_$1.py" "$out" $dry > "$logs/$1" 2>&1
    code=$?
    echo "part $1: code $code after $((SECONDS - began)) s (limit $limit s)" | tee -a "$logs/$1"
}

# What clocks the GPU had: a row a second, to set beside the times of the findings.
clocks=
trap '[ -z "$clocks" ] || kill "$clocks" 2> /dev/null' EXIT
if [ -z "$dry" ]; then
    nvidia-smi --query-gpu=timestamp,clocks.sm,clocks.mem,power.draw,temperature.gpu,utilization.gpu --format=csv \
        -lms 1000 > "$out/clocks.csv" 2>&1 &
    clocks=$!
fi

part 0 60
part 1 75 & # no timing matters in these two, so they share the machine
beside=$!
part 2 60
wait "$beside"
part 3 140
part 5 45
part 8 90
part 4 110
part 6 165
part 7 300

for log in "$logs"/*; do
    printf '\n======== part %s\n' "$(basename "$log")"
    # The beginning and the end of a long log; a megabyte holds all parts.
    if [ "$(wc -c < "$log")" -gt 90000 ]; then
        head -c 30000 "$log"
        printf '\n... cut ...\n'
        tail -c 60000 "$log"
    else
        cat "$log"
    fi
done > "$out/log.txt"
rm -rf "$logs" "$work"
echo "$(wc -l < "$out/results.jsonl") findings in $out/results.jsonl after $SECONDS s"
