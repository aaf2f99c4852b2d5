"""How time and memory grow with the number of records: gen-tasks, encode, infer and score at 10^5, 10^6 and 10^7.

    python3 benches/growth.py --bin target/release [--sizes 100000,1000000] [--folder DIR]

The paper's grid (100 functions, 8 shot counts) at ever more trials. Records go through pipes; only the predictions of
`builtin:mode` without their prompts (`--slim`, Parquet) are kept in DIR while they are scored, and removed. CPU time
and peak memory of every process are the kernel's (wait4, VmHWM): CPU time hardly depends on what else the machine
does. At 10^7 records all of it takes some minutes on 2 cores and 100 MB of disk. Ends with 1 if a step's CPU time a
record grows by more than a quarter from one size to a larger, or a filter's memory by more than a fifth (infer's by
the 64 MiB of the Parquet row group that it writes, too). score keeps a few bytes of every prediction: its memory is
said a prediction.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from measuring import machine, measure, mib

HERE = Path(__file__).resolve().parent

# 100 functions times 8 shot counts.
CELLS = 800
# In a process with less CPU time than this (seconds), the start dominates the work.
LEAST_CPU = 0.2
# Bytes in a row group of a Parquet file: src/record/write.rs.
ROW_GROUP = 64 << 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=Path, default=HERE.parent / "target" / "release", help="folder of the filters")
    parser.add_argument("--sizes", default="100000,1000000,10000000", help=f"numbers of records, multiples of {CELLS}")
    parser.add_argument("--folder", type=Path, help="where predictions are kept meanwhile (default: the system's)")
    args = parser.parse_args()
    gen, encode, infer, score = (args.bin.resolve() / name for name in ("gen-tasks", "encode", "infer", "score"))
    if not gen.is_file():
        parser.error(f"{gen} is not there; build the filters, or say where they are with --bin")
    sizes = sorted(int(size) for size in args.sizes.split(","))
    if any(size % CELLS for size in sizes):
        parser.error(f"--sizes {args.sizes}: expected multiples of {CELLS}")

    print(f"machine   {machine()}; load {os.getloadavg()[0]:.1f}")
    version = subprocess.run([gen, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"versions  {version}\n")
    head = f"{'step':<34} {'records':>10} {'CPU s':>8} {'us/record':>9} {'wall s':>8} {'peak':>9}"
    print(head, "-" * len(head), sep="\n")
    # For each step: records, CPU seconds, peak bytes.
    measured: dict[str, list[tuple[int, float, int]]] = {}

    def note(step: str, records: int, cpu: float, wall: float, peak: int) -> None:
        measured.setdefault(step, []).append((records, cpu, peak))
        row = f"{step:<34} {records:>10,} {cpu:>8.2f} {cpu / records * 1e6:>9.2f} {wall:>8.1f} {mib(peak):>9}"
        print(row, flush=True)

    kept = []
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        for records in sizes:
            draw = [gen, "--trials", records // CELLS, "--quiet"]
            dress = [encode, "--alphabet", "genomic", "--quiet"]
            for form in ("jsonl", "arrow"):
                run = measure([*draw, "--to", form], [*dress, "--to", form], watch_memory=True)
                for i, name in enumerate(("gen-tasks", "encode")):
                    note(f"{name} --to {form}", records, run.each[i], run.wall, run.memory[i])
            predictions = Path(folder) / "predictions.parquet"
            answer = [infer, "--model", "builtin:mode", "--slim", "--to", "parquet", "-o", predictions, "--quiet"]
            run = measure([*draw, "--to", "arrow"], [*dress, "--to", "arrow"], answer, watch_memory=True)
            note("infer --model builtin:mode --slim", records, run.each[2], run.wall, run.memory[2])
            kept.append((records, predictions.stat().st_size))
            for replicates in (0, 5000):
                run = measure([score, predictions, "--replicates", replicates, "--quiet"], watch_memory=True)
                note(f"score --replicates {replicates}", records, run.each[0], run.wall, run.memory[0])
            predictions.unlink()

    print()
    for records, size in kept:
        print(f"predictions without prompts, Parquet: {size / records:.1f} bytes each of {records:,}")
    grown = False
    for step, rows in measured.items():
        for (few, cpu, peak), (many, more_cpu, more_peak) in zip(rows, rows[1:]):
            if cpu >= LEAST_CPU and more_cpu / many > 1.25 * cpu / few:
                times = more_cpu / many / (cpu / few)
                print(f"{step}: CPU time a record grew {times:.2f}-fold from {few:,} to {many:,}")
                grown = True
            if step.startswith("score"):
                each = (more_peak - peak) / (many - few)
                print(f"{step}: {each:.0f} bytes of memory a prediction from {few:,} to {many:,}")
            elif more_peak > 1.2 * peak + (ROW_GROUP if step.startswith("infer") else 0):
                print(f"{step}: peak memory grew from {mib(peak)} to {mib(more_peak)}, {few:,} to {many:,}")
                grown = True
    print("NOT linear and flat: see above" if grown else "time linear, memory flat (score: linear)")
    return int(grown)


if __name__ == "__main__":
    sys.exit(main())
