"""Whole processes against the figures that the project promises: CPU time, wall time, peak memory.

    python3 benches/whole.py --bin target/release

Standard library only. CPU time is user and system time of the processes as the kernel counts it (wait4), the median of
--runs runs; it hardly depends on what else the machine does, wall time does. Python, this interpreter, is timed at
--python-trials trials and at none, and scaled linearly to all. Peak memory is the kernel's VmHWM, read every few
milliseconds until the process ends.

`gen-tasks | encode` is held against straightforward Python in four ways: whole processes against one process that draws
without keyed streams and writes once (benches/straightforward.py), and against two filters that keep our records'
promise of keyed streams (benches/straightforward_filters.py); and drawing and encoding alone, in memory, against the same
two. Our own time in memory is that of `grid_of_102400_prompts` in benches/draw.rs.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from measuring import machine, measure, medians, met, mib, print_table

HERE = Path(__file__).resolve().parent
# Paper 1's grid has 100 functions and 8 shot counts; paper 2 has 128 trials.
TRIALS = 128
PROMPTS = 100 * 8 * TRIALS
# 100 functions, 8 shot counts and 64 trials.
PREDICTIONS = 100 * 8 * 64


# benches/straightforward.py without JSON.
UNKEYED_IN_MEMORY = """
import random, sys
sys.path.insert(0, {folder!r})
from straightforward import BITS, SHOTS, all_strings, draw, programs
rng, strings = random.Random(0), all_strings(BITS)
for program in programs():
    for trial in range({trials}):
        for shots in SHOTS:
            draw(program, shots, trial, 0, strings, rng)
"""


def in_memory(runs: int) -> float | None:
    """CPU seconds for the whole grid without records, or None without cargo."""
    if not shutil.which("cargo"):
        return None
    build = ["cargo", "bench", "--bench", "draw", "--no-run", "--message-format", "json"]
    built = subprocess.run(build, cwd=HERE.parent, capture_output=True, text=True, check=True).stdout.splitlines()
    messages = map(json.loads, built)
    bench = next(m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == "draw")
    only = [bench, "--bench", "grid_of_102400_prompts", "--sample-size", 1, "--sample-count"]
    return (medians(runs, [*only, 11]).cpu - medians(runs, [*only, 1]).cpu) / 10


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=Path, default=HERE.parent / "target" / "release", help="folder of the filters")
    parser.add_argument("--runs", type=int, default=5, help="runs of everything that is timed (median)")
    parser.add_argument("--python-trials", type=int, default=16, help=f"trials that Python is timed at, of {TRIALS}")
    args = parser.parse_args()
    gen, encode, infer, score = (args.bin.resolve() / name for name in ("gen-tasks", "encode", "infer", "score"))
    if not gen.is_file():
        parser.error(f"{gen} is not there; build the filters, or say where they are with --bin")

    def pipeline(trials: int, between: str = "jsonl") -> tuple[list, list]:
        return (
            [gen, "--trials", trials, "--to", between, "--quiet"],
            [encode, "--alphabet", "genomic", "--quiet"],
        )

    filters = HERE / "straightforward_filters.py"
    # By name: a function that gives the Python commands for a number of trials.
    pythons = {
        "without keys, one process": lambda n: ([sys.executable, HERE / "straightforward.py", "--trials", n],),
        "two keyed filters": lambda n: (
            [sys.executable, filters, "draw", "--trials", n],
            [sys.executable, filters, "encode"],
        ),
        "without keys, in memory": lambda n: (
            [sys.executable, "-c", UNKEYED_IN_MEMORY.format(folder=str(HERE), trials=n)],
        ),
        "keyed, in memory": lambda n: ([sys.executable, filters, "both", "--trials", n],),
    }

    def straightforward(name: str) -> float:
        idle = medians(args.runs, *pythons[name](0)).cpu
        part = medians(args.runs, *pythons[name](args.python_trials)).cpu
        work = (part - idle) * TRIALS / args.python_trials
        return work if "memory" in name else idle + work

    print(f"machine   {machine()}; load {os.getloadavg()[0]:.1f}")
    version = subprocess.run([gen, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"versions  {version}, {platform.python_implementation()} {platform.python_version()}")
    print(f"runs      {args.runs}, medians\n")
    rows: list[tuple[str, str, str]] = []

    ours = medians(args.runs, *pipeline(TRIALS))
    rows.append((f"gen-tasks | encode, {PROMPTS:,} prompts, JSONL", f"{ours.cpu:.2f} s CPU", met("< 3 s", ours.cpu < 3)))
    arrow = medians(args.runs, *pipeline(TRIALS, "arrow"))
    rows.append(("the same with Arrow between the two", f"{arrow.cpu:.2f} s CPU", ""))

    memory = in_memory(args.runs)
    rows.append(("drawing and encoding alone, in memory", f"{memory:.3f} s CPU" if memory else "no cargo", ""))
    for name in pythons:
        python = straightforward(name)
        rows.append((f"Python {name}, from {args.python_trials} of {TRIALS} trials", f"{python:.1f} s CPU", ""))
        if mine := memory if "memory" in name else ours.cpu:
            rows.append((f"Python {name} / ours", f"{python / mine:.1f}", met(">= 10", python / mine >= 10)))

    small = measure(*pipeline(TRIALS), watch_memory=True).memory
    large = measure(*pipeline(10 * TRIALS), watch_memory=True).memory
    for name, once, ten in zip(("gen-tasks", "encode"), small, large):
        rows.append((f"peak memory of {name}, at 10x the trials", f"{mib(once)}, {mib(ten)}", met("flat", ten < 1.2 * once)))

    with tempfile.TemporaryDirectory() as folder:
        predictions = Path(folder) / "predictions.parquet"
        answer = [infer, "--model", "builtin:nearest", "--to", "parquet", "-o", predictions, "--quiet"]
        draw, dress = pipeline(PREDICTIONS // 800)
        measure(draw, dress, answer)
        scored = medians(args.runs, [score, predictions, "--replicates", 5000, "--threads", 2, "--quiet"])
    what = f"score, {PREDICTIONS:,} predictions, 5,000 replicates, 2 threads"
    rows.append((what, f"{scored.wall:.2f} s", met("< 2 s", scored.wall < 2)))
    rows.append(("", f"{scored.cpu:.2f} s CPU", ""))

    print_table(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
