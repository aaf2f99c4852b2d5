#!/bin/bash
# Fuzzes every target for an equal share of SECONDS (default: 600), on one core, and prints what was done:
#
#   fuzz/run.sh [SECONDS [TARGET ...]]
#
# No nightly toolchain and nothing to install: rustc's own LLVM puts the coverage counters in, and the libfuzzer-sys crate
# brings libFuzzer as source. The corpus grows in fuzz/target/corpus; an input that breaks something stays in
# fuzz/target/findings, and the exit code is 1 then.
set -euo pipefail
cd "$(dirname "$0")"

seconds=${1:-600}
shift || true
targets=("$@")
if [ ${#targets[@]} = 0 ]; then
  for folder in corpus/*/; do targets+=("$(basename "$folder")"); done
fi

host=$(rustc --version --verbose | sed -n 's/^host: //p')
counters='--cfg fuzzing -Cpasses=sancov-module'
for flag in level=4 inline-8bit-counters pc-table trace-compares; do
  counters+=" -Cllvm-args=-sanitizer-coverage-$flag"
done
# With a --target, build scripts and macros do without the flags.
RUSTFLAGS=$counters cargo build --quiet --release --target "$host"
program=$PWD/target/$host/release/shotline-fuzz

SHOTLINE_FUZZ_FOLDER=$(mktemp -d -p /dev/shm)
export SHOTLINE_FUZZ_FOLDER
trap 'rm -rf "$SHOTLINE_FUZZ_FOLDER"' EXIT
share=$(((seconds + ${#targets[@]} - 1) / ${#targets[@]}))
total=0 findings=0
printf '%-11s %8s %11s %9s %9s %7s %9s\n' target seconds executions coverage features corpus findings
for target in "${targets[@]}"; do
  mkdir -p "target/corpus/$target" "target/findings/$target"
  words=()
  if [ -f "dictionaries/$target" ]; then words=(-dict="dictionaries/$target"); fi
  code=0
  # What claims more memory than main.rs allows ends the process with 4, and is no finding. So the work is done in
  # processes of some seconds, and 4 is said to be a timeout's code, after which the next begins. A real timeout leaves
  # its file among the findings.
  # A record of a small experiment has some kilobytes.
  SHOTLINE_FUZZ_TARGET=$target nice -n 19 "$program" "${words[@]}" -max_total_time="$share" -max_len=16384 -timeout=20 \
    -fork=1 -timeout_exitcode=4 -rss_limit_mb=2048 -artifact_prefix="target/findings/$target/" \
    "target/corpus/$target" "corpus/$target" > "target/$target.log" 2>&1 || code=$?
  # The last line of progress: #N: cov: N ft: N corp: N ..., without the executions of processes that ended with 4.
  read -r executions coverage features corpus < <(
    sed -n 's/^#\([0-9]*\): cov: \([0-9]*\) ft: \([0-9]*\) corp: \([0-9]*\) .*/\1 \2 \3 \4/p' "target/$target.log" |
      tail -n 1
  )
  found=$(find "target/findings/$target" -type f | wc -l)
  if [ "$code" != 0 ] && [ "$code" != 4 ] && [ "$found" = 0 ]; then
    tail -n 5 "target/$target.log" >&2
    exit "$code"
  fi
  printf '%-11s %8s %11s %9s %9s %7s %9s\n' "$target" "$share" "${executions:-0}" "$coverage" "$features" "$corpus" "$found"
  total=$((total + ${executions:-0})) findings=$((findings + found))
done
echo "$total executions in $((share * ${#targets[@]})) s, $findings findings"
[ "$findings" = 0 ]
