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
  # What asks for more than this believes a size that a file of some kilobytes claims.
  ulimit -v $((3 << 20))
  # A record of a small experiment has some kilobytes.
  SHOTLINE_FUZZ_TARGET=$target nice -n 19 "$program" "${words[@]}" -max_total_time="$share" -max_len=16384 -timeout=20 \
    -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="target/findings/$target/" \
    "target/corpus/$target" "corpus/$target" > "target/$target.log" 2>&1 || code=$?
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "target/$target.log")
  # The last line of progress: #N DONE|REDUCE|NEW cov: N ft: N corp: N/...
  read -r coverage features corpus < <(
    grep -o 'cov: [0-9]* ft: [0-9]* corp: [0-9]*' "target/$target.log" | tail -n 1 | awk '{ print $2, $4, $6 }'
  )
  found=$(find "target/findings/$target" -type f | wc -l)
  if [ "$code" != 0 ] && [ "$found" = 0 ]; then
    tail -n 5 "target/$target.log" >&2
    exit "$code"
  fi
  printf '%-11s %8s %11s %9s %9s %7s %9s\n' "$target" "$share" "${executions:-0}" "$coverage" "$features" "$corpus" "$found"
  total=$((total + ${executions:-0})) findings=$((findings + found))
done
echo "$total executions in $((share * ${#targets[@]})) s, $findings findings"
[ "$findings" = 0 ]
