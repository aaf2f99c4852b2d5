"""Whole processes against the figures that the project promises: CPU time, wall time, peak memory.

    python3 benches/whole.py --bin target/release

Standard library only. CPU time is user and system time of the processes as the kernel counts it (wait4), the median of
--runs runs; it hardly depends on what else the machine does, wall time does. Standard Python (benches/straightforward.py,
this interpreter) is timed at --python-trials trials and at none, and scaled linearly to all. Peak memory is the
kernel's VmHWM, read every few milliseconds until the process ends.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
# The paper's grid: 100 functions, 8 shot counts; paper 2's 128 trials.
TRIALS = 128
PROMPTS = 100 * 8 * TRIALS
# 100 functions, 8 shot counts, 64 trials.
PREDICTIONS = 100 * 8 * 64


@dataclass
class Measured:
    cpu: float
    wall: float
    # Peak bytes of each process of the pipeline; empty unless asked for.
    memory: list[int]


def peak_memory(process: subprocess.Popen, peaks: list[int], index: int) -> None:
    """wait4's maximum would begin with this interpreter's own memory, which exec hands down."""
    status = Path(f"/proc/{process.pid}/status")
    while True:
        try:
            lines = status.read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            return
        now = [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")]
        if not now:
            # A process that has ended and waits to be asked about has no memory.
            return
        peaks[index] = max(peaks[index], now[0])
        time.sleep(0.005)


def measure(*commands: list, watch_memory: bool = False) -> Measured:
    """Runs a pipeline whose output nobody reads."""
    begin = time.perf_counter()
    processes: list[subprocess.Popen] = []
    stdin = subprocess.DEVNULL
    for i, command in enumerate(commands):
        stdout = subprocess.DEVNULL if i + 1 == len(commands) else subprocess.PIPE
        process = subprocess.Popen([str(part) for part in command], stdin=stdin, stdout=stdout)
        if processes:
            # Only the reader may hold the pipe, or its writer would not notice when it leaves.
            processes[-1].stdout.close()
        processes.append(process)
        stdin = process.stdout
    peaks = [0] * len(processes)
    watchers = []
    if watch_memory:
        watchers = [threading.Thread(target=peak_memory, args=(p, peaks, i)) for i, p in enumerate(processes)]
        for watcher in watchers:
            watcher.start()
    cpu = 0.0
    for process, command in zip(processes, commands):
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise SystemExit(f"{command[0]} failed with {process.returncode}")
        cpu += usage.ru_utime + usage.ru_stime
    wall = time.perf_counter() - begin
    for watcher in watchers:
        watcher.join()
    return Measured(cpu, wall, peaks if watch_memory else [])


def medians(runs: int, *commands: list) -> Measured:
    all_runs = [measure(*commands) for _ in range(runs)]
    return Measured(statistics.median(m.cpu for m in all_runs), statistics.median(m.wall for m in all_runs), [])


def machine() -> str:
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0] if names else model
    return f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"


def mib(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"


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

    def straightforward(trials: int) -> list:
        return [sys.executable, HERE / "straightforward.py", "--trials", trials]

    print(f"machine   {machine()}; load {os.getloadavg()[0]:.1f}")
    version = subprocess.run([gen, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"versions  {version}, {platform.python_implementation()} {platform.python_version()}")
    print(f"runs      {args.runs}, medians\n")
    rows: list[tuple[str, str, str]] = []

    ours = medians(args.runs, *pipeline(TRIALS))
    rows.append((f"gen-tasks | encode, {PROMPTS:,} prompts, JSONL", f"{ours.cpu:.2f} s CPU", met("< 3 s", ours.cpu < 3)))
    arrow = medians(args.runs, *pipeline(TRIALS, "arrow"))
    rows.append(("the same with Arrow between the two", f"{arrow.cpu:.2f} s CPU", ""))

    idle = medians(args.runs, straightforward(0)).cpu
    part = medians(args.runs, straightforward(args.python_trials)).cpu
    python = idle + (part - idle) * TRIALS / args.python_trials
    rows.append((f"the same in Python, scaled from {args.python_trials} of {TRIALS} trials", f"{python:.1f} s CPU", ""))
    rows.append(("Python / ours", f"{python / ours.cpu:.1f}", met(">= 50", python / ours.cpu >= 50)))

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

    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    for what, figure, verdict in rows:
        print(f"{what:<{widths[0]}}  {figure:>{widths[1]}}  {verdict}".rstrip())
    return 0


def met(required: str, yes: bool) -> str:
    return f"required {required}: {'met' if yes else 'NOT MET'}"


if __name__ == "__main__":
    sys.exit(main())
