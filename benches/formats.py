"""What a filter takes to read and write each format: CPU time, beside the same filters of another build.

    python3 benches/formats.py --bin target/release [--before OTHER/target/release]

Standard library only. CPU time is user and system time as the kernel counts it (wait4), the median of --runs runs; with
--before, both builds run in turn, so that whatever else the machine does falls on both.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from measuring import machine, measure, print_table

FORMATS = ("jsonl", "arrow", "parquet")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=Path, default=Path("target/release"), help="folder of the filters")
    parser.add_argument("--before", type=Path, help="folder of the filters of another build")
    parser.add_argument("--runs", type=int, default=5, help="runs of everything (default: %(default)s)")
    parser.add_argument("--trials", type=int, default=32, help="trials a function and shot count (default: %(default)s)")
    args = parser.parse_args()
    builds = [folder.resolve() for folder in (args.bin, args.before) if folder]
    rows = []
    print(f"machine   {machine()}; load {os.getloadavg()[0]:.1f}; {args.runs} runs, medians\n")
    with tempfile.TemporaryDirectory() as temp:
        for format in FORMATS:
            trials, prompts, predictions, other = (
                str(Path(temp, f"{name}.{format}")) for name in ("trials", "prompts", "predictions", "other")
            )
            for name, words in [
                ("gen-tasks", ["--trials", args.trials, "-o", trials]),
                ("encode", ["--alphabet", "genomic", trials, "-o", prompts]),
                ("infer", ["--model", "builtin:mode", prompts, "-o", predictions]),
                ("score", ["--replicates", 0, predictions, "-o", Path(temp, "scores.csv")]),
                ("contrast", ["--models", predictions, other, "-o", Path(temp, "versus.csv")]),
            ]:
                if name == "contrast":
                    ask = [builds[0] / "infer", "--quiet", "--model", "builtin:copy", prompts, "-o", other]
                    subprocess.run(ask, check=True)
                took: dict[Path, list[float]] = {build: [] for build in builds}
                for _ in range(args.runs):
                    for build in builds:
                        took[build].append(measure([build / name, "--quiet", *words]).cpu)
                seconds = [median(took[build]) for build in builds]
                ratio = f"{seconds[0] / seconds[1]:.2f} times the other build's" if args.before else ""
                rows.append((f"{name}, {format}", f"{seconds[0]:.2f} s CPU", ratio))
    print_table(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
