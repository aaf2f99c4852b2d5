"""Submits the missing shards of `make reproduce CLUSTER=slurm` to Slurm: an array job, and a merge job that waits for
it.

        submit.py NAME...     names of make variables whose values, from the environment, define the run

Make decides what is missing (LIST=FILE in scripts/reproduce.mk). Shards already in the queue are not submitted again.
OUT/slurm holds everything: HASH.mk describes the requested run, HASH.merges lists its merge jobs, TIME.json describes
an array job, TIME.shards lists its shards, and logs/ has the output of all jobs. Job settings come from the environment
or make's command line (docs/cluster.md).
"""

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

HERE = Path(__file__).resolve().parent
# This many seconds before the time limit, a task is told to save what it has.
GRACE = "120"


def fail(message: str) -> NoReturn:
    sys.exit(f"submit.py: {message}")


def setting(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def run(*command: str, then: str = "") -> str:
    """Runs a command and returns its output. If it fails, exits with its message and `then`, the state that is left."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=outside_make())
    if done.returncode != 0:
        fail(f"{shlex.join(command)}: {done.stderr.strip() or done.stdout.strip()}{then}")
    return done.stdout


def outside_make() -> dict[str, str]:
    """The environment without the variables of the calling make, so that tasks do not use its job server or options."""
    return {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MFLAGS", "MAKELEVEL"}}


class Folder:
    """OUT/slurm: the requested runs and the submitted jobs."""

    def __init__(self, names: list[str]) -> None:
        self.out = Path(os.environ["OUT"])
        self.path = self.out / "slurm"
        self.settings = {name: os.environ.get(name, "") for name in names}

    def write(self) -> Path:
        """Writes the requested run as a makefile. A task makes one file of it, the merge job the rest."""
        escaped = {name: value.replace("$", "$$").replace("#", "\\#") for name, value in self.settings.items()}
        lines = [f"{name} := {value}\n" for name, value in escaped.items()]
        lines += ["CLUSTER := task\n", "include scripts/reproduce.mk\n"]
        text = "# Written by scripts/slurm/submit.py.\n" + "".join(lines)
        path = self.path / f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.mk"
        (self.path / "logs").mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def submissions(self) -> list[dict]:
        return [json.loads(path.read_text()) for path in sorted(self.path.glob("*.json"))]

    def merges(self) -> list[Path]:
        return sorted(self.path.glob("*.merges"))

    def keep(self, name: str, submission: dict) -> None:
        path = self.path / f"{name}.json"
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(submission, indent=1) + "\n")
        temporary.rename(path)


def in_queue() -> dict[tuple[str, str], str]:
    """The state of every unfinished job of this user that Slurm knows, by job and array task."""
    jobs = {}
    for line in run("squeue", "--me", "--noheader", "--array", "--format", "%F %K %T").splitlines():
        job, task, state = line.split()
        jobs[job, task] = state
    return jobs


def missing(run_file: Path) -> list[str]:
    """The shards that make would still answer. Draws the prompts, which takes seconds."""
    listed = run_file.with_suffix(".missing")
    listed.unlink(missing_ok=True)
    listed.touch()
    run("make", "--no-print-directory", "-f", str(run_file), f"LIST={listed}", "shards")
    names = listed.read_text().split()
    listed.unlink()
    return names


def every_shard(run_file: Path) -> int:
    return int(run("make", "--no-print-directory", "-f", str(run_file), "count").strip())


def flags(kind: str) -> list[str]:
    """The settings of a job: an array job (`JOB_`), or the merge job, which has its own limits and no GPU."""
    merging = kind == "merge"
    gpu = "" if merging else setting("JOB_GRES", "" if setting("DEVICE", "cpu") == "cpu" else "gpu:1")
    asked = {
        "--partition": setting("MERGE_PARTITION", setting("JOB_PARTITION")) if merging else setting("JOB_PARTITION"),
        "--account": setting("JOB_ACCOUNT"),
        "--qos": setting("JOB_QOS"),
        "--time": setting("MERGE_TIME") if merging else setting("JOB_TIME"),
        "--mem": setting("MERGE_MEM") if merging else setting("JOB_MEM"),
        "--cpus-per-task": setting("MERGE_CPUS", "1") if merging else setting("JOB_CPUS", "1"),
        "--gres": gpu,
    }
    given = [f"{flag}={value}" for flag, value in asked.items() if value]
    return given + shlex.split(setting("JOB_FLAGS"))


def sbatch(kind: str, options: list[str], arguments: list[str], folder: Folder, sent: list[str]) -> str:
    """Submits a job and returns its number. `sent` lists the jobs that this command has submitted so far."""
    rest = "The same command submits the rest."
    then = f"\nIn the queue already: array job {', '.join(sent)}. {rest}" if sent else ""
    log = folder.path / "logs" / ("%A_%a.log" if kind == "shard" else "merge-%j.log")
    fixed = ["--parsable", f"--job-name=shotline-{kind}", f"--output={log}", "--open-mode=append"]
    script = str(HERE / f"{kind}.sbatch")
    return run("sbatch", *fixed, *flags(kind), *options, script, *arguments, then=then).strip().split(";")[0]


def check_settings() -> None:
    """Refuses bad settings now. Otherwise they would fail after the prompts are drawn, or in a task."""
    for tool in ("sbatch", "squeue", "scancel", "scontrol"):
        if not shutil.which(tool):
            fail(f"no {tool} on the PATH: CLUSTER=slurm works on a machine from which jobs are submitted")
    prolog = setting("JOB_PROLOG")
    if prolog and not Path(prolog).is_file():
        fail(f"JOB_PROLOG={prolog}: no such file")
    throttle = setting("THROTTLE")
    if throttle and not throttle.isdecimal():
        fail(f"THROTTLE={throttle}: expected a number of tasks")


def tasks_in_queue(folder: Folder, queue: dict[tuple[str, str], str]) -> dict[str, str]:
    """The shards that are in the queue, each with its job and task."""
    found: dict[str, str] = {}
    for submission in folder.submissions():
        array = submission["array"]
        tasks = {
            shard: f"{array}_{at}" for at, shard in enumerate(submission["shards"]) if (array, str(at)) in queue
        }
        # A queued job with other settings would overwrite our prompts with its own, or we would overwrite its prompts.
        for name in ("TRIALS", "DESIGN", "SHOTS", "SEED", "SUITE", "SHARDS"):
            was = submission["settings"].get(name)
            if tasks and was != folder.settings.get(name):
                fail(
                    f"job {array} is still in the queue with {name}={was}: wait for it, scancel it, or give another OUT"
                )
        found.update(tasks)
    return found


def largest_array() -> int:
    """The largest number of tasks in an array here. Indices are below this."""
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", run("scontrol", "show", "config"), re.M)
    return int(found[1]) if found else 1001


def submit_shards(folder: Folder, run_file: Path, shards: list[str], before: list[str]) -> list[str]:
    """Submits as many arrays as these shards need, and returns their numbers.

    A throttle limits all tasks together: each array waits for the one before it, the first for those in `before`.
    """
    throttle = setting("THROTTLE")
    limit = f"%{throttle}" if throttle else ""
    most = largest_array()
    arrays: list[str] = []
    for begin in range(0, len(shards), most):
        part = shards[begin : begin + most]
        name = f"{time.strftime('%Y%m%dT%H%M%S')}-{begin}"
        listed = folder.path / f"{name}.shards"
        listed.write_text("\n".join(part) + "\n")
        grace = setting("JOB_GRACE", GRACE)
        options = [f"--array=0-{len(part) - 1}{limit}", "--requeue", f"--signal=B:USR1@{grace}"]
        after = (arrays[-1:] or before) if throttle else []
        if after:
            options.append(f"--dependency=afterany:{':'.join(after)}")
        array = sbatch("shard", options, [str(run_file), str(listed), setting("JOB_PROLOG")], folder, arrays)
        folder.keep(name, {"array": array, "shards": part, "settings": folder.settings})
        when = f", {throttle} at a time" if throttle else ""
        when += f", when {', '.join(after)} is over" if after else ""
        print(f"Array job {array}: tasks 0 to {len(part) - 1}{when}")
        arrays.append(array)
    return arrays


def submit_merge(folder: Folder, run_file: Path, sent: list[str], waiting: list[str], others: list[str]) -> None:
    """Submits the merge job. It starts when the arrays `sent` and the tasks `waiting` have succeeded and `others` have
    ended."""
    after = sent + waiting
    conditions = [f"afterok:{':'.join(after)}"] if after else []
    conditions += [f"afterany:{':'.join(others)}"] if others else []
    options = [f"--dependency={','.join(conditions)}", "--kill-on-invalid-dep=yes"] if conditions else []
    merge = sbatch("merge", options, [str(run_file), setting("JOB_PROLOG")], folder, sent)
    merges = folder.path / f"{run_file.stem}.merges"
    with merges.open("a") as kept:
        kept.write(f"{merge}\n")
    print(f"Merge job {merge}: " + ("when every shard is there" if after else "merges, scores and reports"))


def main(names: list[str]) -> None:
    check_settings()
    folder = Folder(names)
    queue = in_queue()
    waiting = tasks_in_queue(folder, queue)
    run_file = folder.write()
    # Queued merge jobs: ours, and those of other runs in this folder, which may not write the tables at the same time.
    merges = {path.stem: [job for job in path.read_text().split() if (job, "N/A") in queue] for path in folder.merges()}
    ours = merges.pop(run_file.stem, [])
    others = [job for jobs in merges.values() for job in jobs]

    lacking = missing(run_file)
    todo = [shard for shard in lacking if shard not in waiting]
    total = every_shard(run_file)
    queued = len(lacking) - len(todo)
    print(f"{total} shards: {total - len(lacking)} are there, {queued} in the queue, {len(todo)} to submit")
    if not todo and ours:
        print(f"Nothing to submit: the merge job {ours[-1]} is in the queue, too. Look: squeue --me")
        return
    before = sorted({task.partition("_")[0] for task in waiting.values()})
    arrays = submit_shards(folder, run_file, todo, before)
    # A merge job whose task has failed would never run, so a new one replaces it.
    if ours:
        run("scancel", *ours)
    submit_merge(folder, run_file, arrays, [waiting[shard] for shard in lacking if shard in waiting], others)
    print(f"Look: squeue --me; logs: {folder.path / 'logs'}. The same command submits again what has failed.")


if __name__ == "__main__":
    main(sys.argv[1:])
