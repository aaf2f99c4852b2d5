"""Shared code of benches that run whole processes: time and memory of a pipeline, the machine's name, the result table.

Standard library only.
"""

import os
import platform
import statistics
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Measured:
    # CPU seconds of each process of the pipeline.
    each: list[float]
    wall: float
    # Peak bytes of each process; empty unless requested.
    memory: list[int]

    @property
    def cpu(self) -> float:
        return sum(self.each)


def peak_memory(process: subprocess.Popen, peaks: list[int], index: int) -> None:
    """Polls VmHWM. wait4's maximum would start at this interpreter's own memory, which is inherited through exec."""
    status = Path(f"/proc/{process.pid}/status")
    while True:
        try:
            lines = status.read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            return
        now = [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")]
        if not now:
            # The process has ended but has not been waited for, so it has no memory.
            return
        peaks[index] = max(peaks[index], now[0])
        time.sleep(0.005)


def measure(*commands: list, watch_memory: bool = False) -> Measured:
    """Runs a pipeline and discards its output."""
    begin = time.perf_counter()
    processes: list[subprocess.Popen] = []
    stdin = subprocess.DEVNULL
    for i, command in enumerate(commands):
        stdout = subprocess.DEVNULL if i + 1 == len(commands) else subprocess.PIPE
        process = subprocess.Popen([str(part) for part in command], stdin=stdin, stdout=stdout)
        if processes:
            # Only the reader may hold the pipe open. Otherwise the writer would not notice when the reader exits.
            processes[-1].stdout.close()
        processes.append(process)
        stdin = process.stdout
    peaks = [0] * len(processes)
    watchers = []
    if watch_memory:
        watchers = [threading.Thread(target=peak_memory, args=(p, peaks, i)) for i, p in enumerate(processes)]
        for watcher in watchers:
            watcher.start()
    each = []
    for process, command in zip(processes, commands):
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise SystemExit(f"{command[0]} failed with {process.returncode}")
        each.append(usage.ru_utime + usage.ru_stime)
    wall = time.perf_counter() - begin
    for watcher in watchers:
        watcher.join()
    return Measured(each, wall, peaks if watch_memory else [])


def medians(runs: int, *commands: list) -> Measured:
    all_runs = [measure(*commands) for _ in range(runs)]
    each = [statistics.median(m.each[i] for m in all_runs) for i in range(len(commands))]
    return Measured(each, statistics.median(m.wall for m in all_runs), [])


def machine() -> str:
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0] if names else model
    return f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"


def mib(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"


def met(required: str, yes: bool) -> str:
    return f"required {required}: {'met' if yes else 'NOT MET'}"


def print_table(rows: list[tuple[str, str, str]]) -> None:
    """Prints what was measured, the figure, and a remark (`met`, or nothing)."""
    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    for what, figure, verdict in rows:
        print(f"{what:<{widths[0]}}  {figure:>{widths[1]}}  {verdict}".rstrip(), flush=True)
