#!/usr/bin/env python3
"""Run what of Shotline needs a GPU to be seen, in stages, on a machine with Python, PyTorch and transformers.

    ./check [--seconds 480] [--only STAGE]... [--results results.jsonl] [--dry-run] [--device cuda|cpu]

Weights are random and drawn here. The stages, in the order in which they are worth most; each goes on where another fails:

"""

import argparse
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

import stages
from kit import ROOT, Failed, Kit, Results, install

# The longest time in seconds that a command may take on a compute node.
LONGEST = 580.0


def run_stage(name: str, args: argparse.Namespace, seconds: float) -> str | None:
    """Runs a stage, and all that it starts, in its own process. Returns what went wrong, or None."""
    command = [sys.executable, __file__, "--stage", name, "--seconds", str(seconds), "--results", str(args.results)]
    command += ["--device", args.device, "--work", str(args.work), *(["--dry-run"] if args.dry_run else [])]
    process = subprocess.Popen(command, start_new_session=True)
    try:
        # The stage watches its own time. This timeout is for a stage that hangs.
        code = process.wait(timeout=seconds + 10)
        return None if code == 0 else f"ended with {code}"
    except subprocess.TimeoutExpired:
        return f"was not done after {seconds:.0f} s"
    finally:
        # End the stage and every process that it left behind.
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


def be_stage(args: argparse.Namespace) -> int:
    kit = Kit(args.stage, Results(args.results), args.work, args.device, args.dry_run, time.monotonic() + args.seconds)
    try:
        install()
        stages.STAGES[args.stage].run(kit)
    except (Failed, subprocess.TimeoutExpired) as error:
        kit.results.add(args.stage, "stage", "failed", because=str(error)[:4000])
    except Exception:  # noqa: BLE001 - whatever happens on a machine that nobody has seen is a result
        kit.results.add(args.stage, "stage", "failed", because=traceback.format_exc()[-4000:])
    return 0


def main() -> int:
    listed = "\n".join(f"    {name:12} {stage.purpose}" for name, stage in stages.STAGES.items())
    parser = argparse.ArgumentParser(
        description=__doc__ + listed, formatter_class=argparse.RawDescriptionHelpFormatter, prog="check"
    )
    parser.add_argument("--seconds", type=float, default=480, help="for all stages together (default: %(default)s)")
    parser.add_argument("--only", action="append", choices=stages.STAGES, metavar="STAGE", help="may be repeated")
    parser.add_argument("--results", type=Path, default=Path("results.jsonl"), help="lines are added to it")
    parser.add_argument("--work", type=Path, default=ROOT / "work", help="where models go (40 GB; default: %(default)s)")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--dry-run", action="store_true", help="with tiny models, to see that everything is there")
    parser.add_argument("--stage", choices=stages.STAGES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.results, args.work = args.results.absolute(), args.work.absolute()
    args.work.mkdir(parents=True, exist_ok=True)
    if args.stage:
        return be_stage(args)
    results, end = Results(args.results), time.monotonic() + min(args.seconds, LONGEST)
    for name, stage in stages.STAGES.items():
        if args.only and name not in args.only:
            continue
        left = end - time.monotonic()
        if left < stage.least and not args.dry_run:
            results.add(name, "stage", "skipped", because=f"{left:.0f} s left, {stage.least} are wanted")
            continue
        begun = time.monotonic()
        problem = run_stage(name, args, left)
        seconds = round(time.monotonic() - begun, 1)
        if problem:
            results.add(name, "stage", "failed", because=problem, seconds=seconds)
        else:
            results.add(name, "time", "ok", seconds=seconds)
    return summary(results.read())


def summary(rows: list[dict]) -> int:
    """Prints a line for each result. Returns 1 if any result is not as required."""
    for row in rows:
        said = ", ".join(f"{name} {value}" for name, value in row.items() if isinstance(value, int | float))
        # Of a traceback, show only the error. The results file has all of it.
        because = row.get("because", row.get("said", "")).strip().rpartition("\n")[2][:120]
        print(f"{row['status']:8} {row['stage']:12} {row['name']:32} {said or because}")
    return int(any(row["status"] in ("wrong", "failed") for row in rows))


if __name__ == "__main__":
    sys.exit(main())
