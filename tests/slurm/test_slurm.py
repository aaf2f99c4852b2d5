"""Test `make reproduce CLUSTER=slurm` on a real Slurm: a cancelled or pre-empted task changes no byte of the result.

    SHOTLINE_BIN=target/release SHOTLINE_SMOLLM2_DIR=models/smollm2-135m python3 -m pytest tests/slurm

Needs the built filters, `make runtime`, `make model-smollm2`, and Slurm (tests/slurm/cluster.py).

The answers come from a real language model, SmolLM2. After an interruption, a run groups the prompts into other
batches, and logits can differ in the last digits between batches. So here every prompt is read alone (--batch-tokens 1)
and no answers are decoded together (--complete none). Then all bytes have to be the same. Answers also come one after
the other, so that a task can be stopped between two answers.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cluster
import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("SHOTLINE_BIN", ROOT / "target" / "release")).resolve()
SMOLLM2 = Path(os.environ.get("SHOTLINE_SMOLLM2_DIR", ROOT / "models" / "smollm2-135m")).resolve()
NAME = SMOLLM2.name
TINY = "tests/fixtures/models/tiny-subset"
SHARDS = 4
SETTINGS = {
    "MODELS": str(SMOLLM2),
    "TRIALS": "1",
    "DESIGN": "nested",
    "SHOTS": "2,4",
    "BASELINES": "mode",
    "INFER_FLAGS": "--batch-tokens 1 --complete none --threads 1",
}
CLUSTER = {"CLUSTER": "slurm", "SHARDS": str(SHARDS), "THROTTLE": "2", "JOB_GRES": "gpu:1", "JOB_TIME": "10"}
# A task, or the whole run, that takes longer than this many seconds counts as hanging.
PATIENCE = 240


@pytest.fixture(scope="module")
def slurm():
    missing = cluster.lacking()
    assert not missing, f"not installed: {missing}; `make test-slurm` installs them where it may"
    with cluster.Cluster() as running:
        yield running


class Run:
    """A run of `make reproduce` into a folder, on this machine or on the cluster."""

    def __init__(self, out: Path, slurm: cluster.Cluster) -> None:
        self.out = out
        self.slurm = slurm

    def make(self, fails: bool = False, tools: Path | None = None, **settings: str) -> str:
        words = [f"{name}={value}" for name, value in {**SETTINGS, **settings}.items()]
        command = ["make", "-f", "scripts/reproduce.mk", f"BIN={BIN}", f"OUT={self.out}", *words]
        environment = {**self.slurm.environment, "SHOTLINE_ORT_LIB": str(ROOT / "runtime")}
        if tools:
            environment["PATH"] = f"{tools}:{environment['PATH']}"
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        said = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, said
        return said

    def submit(self, fails: bool = False, tools: Path | None = None, **settings: str) -> str:
        return self.make(fails, tools, **{**CLUSTER, **settings})

    def queue(self) -> dict[str, str]:
        """The states of the jobs in the queue. Array tasks are named JOB_TASK, the merge job JOB."""
        lines = self.slurm.say("squeue", "--me", "-h", "-r", "-o", "%i %T").splitlines()
        return dict(line.split() for line in lines)

    def states(self, array: str) -> dict[str, str]:
        return {job: state for job, state in self.queue().items() if job.startswith(f"{array}_")}

    def shard(self, index: int) -> Path:
        return self.out / "shards" / f"{NAME}.nested.{index}-of-{SHARDS}.parquet"

    def answers(self, index: int) -> int:
        """The number of answers that a task has saved so far. The first line of the journal is provenance."""
        journal = self.shard(index).with_name(self.shard(index).name + ".partial")
        return max(0, journal.read_bytes().count(b"\n") - 1) if journal.exists() else 0

    def there(self) -> list[int]:
        return [index for index in range(SHARDS) if self.shard(index).exists()]

    def log(self, job: str) -> str:
        return (self.out / "slurm" / "logs" / f"{job}.log").read_text()

    def wait(self, what: str, there) -> None:
        try:
            self.slurm.wait_for(what, there, PATIENCE)
        except RuntimeError as error:
            logs = "\n".join(path.read_text() for path in (self.out / "slurm" / "logs").glob("*"))
            raise AssertionError(f"{error}\n{self.queue()}\n{logs}") from None

    def predictions(self) -> Path:
        return self.out / "predictions" / f"{NAME}.nested.parquet"


def jobs(said: str) -> tuple[str, str]:
    """The job numbers of the array and of the merge job, from the output of submit.py."""
    array = re.search(r"^Array job (\d+):", said, re.M)
    merge = re.search(r"^Merge job (\d+):", said, re.M)
    assert array and merge, said
    return array[1], merge[1]


def records(path: Path) -> bytes:
    """A file's records as JSON lines. The file is whole and no shard, so merge-shards has nothing to check."""
    command = [BIN / "merge-shards", "--quiet", "--allow-unchecked", path, "--to", "jsonl"]
    return subprocess.run(command, capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def alone(slurm, tmp_path_factory) -> Run:
    """The same run on one machine, without shards or interruptions."""
    run = Run(tmp_path_factory.mktemp("alone"), slurm)
    run.make()
    return run


def assert_same(run: Run, alone: Run) -> None:
    expected = records(alone.predictions())
    assert expected.count(b"\n") == 200
    assert records(run.predictions()) == expected
    for table in ("scores.csv", "tasks.csv", "fits.csv"):
        assert (run.out / table).read_bytes() == (alone.out / table).read_bytes()
    assert (run.out / "report.html").exists()


def test_a_cancelled_task_is_submitted_again_alone_and_the_merge_is_the_uncut_run(slurm, alone, tmp_path):
    run = Run(tmp_path, slurm)
    said = run.submit()
    assert f"{SHARDS} shards: 0 are there, 0 in the queue, {SHARDS} to submit" in said
    array, merge = jobs(said)
    # A second submission submits nothing twice.
    assert f"0 are there, {SHARDS} in the queue, 0 to submit" in run.submit()

    # The second task is cancelled in the middle.
    most = 0

    def in_the_middle() -> bool:
        nonlocal most
        most = max(most, list(run.states(array).values()).count("RUNNING"))
        return run.answers(1) >= 5

    run.wait("five answers of shard 1", in_the_middle)
    assert run.queue()[merge] == "PENDING"
    slurm.say("scancel", f"{array}_1")
    run.wait("the end of the task", lambda: f"{array}_1" not in run.queue())
    kept = run.answers(1)
    # A shard has 25 sequences, each with answers at two shot counts.
    assert 5 <= kept < 50, kept
    assert not run.shard(1).exists()

    # The other tasks go on, two at a time, each with its own GPU. The merge job never runs.
    def ended() -> bool:
        nonlocal most
        most = max(most, list(run.states(array).values()).count("RUNNING"))
        return not run.states(array)

    run.wait("the end of the array", ended)
    assert most == 2
    given = {index: re.search(r"GPU (\d)", run.log(f"{array}_{index}")) for index in range(SHARDS)}
    assert given[0] and given[1] and {given[0][1], given[1][1]} == {"0", "1"}, given
    run.wait("the end of the merge job", lambda: merge not in run.queue())
    assert run.there() == [0, 2, 3]
    assert run.answers(1) == kept
    assert not run.predictions().exists() and not (run.out / "scores.csv").exists()

    # The same command submits the missing shard. The finished shards stay unchanged.
    before = {index: run.shard(index).stat().st_mtime_ns for index in run.there()}
    said = run.submit()
    assert f"{SHARDS} shards: 3 are there, 0 in the queue, 1 to submit" in said
    array, merge = jobs(said)
    assert list(run.queue()) in ([f"{array}_0", merge], [merge, f"{array}_0"])
    run.wait("the merge job", lambda: not run.queue())
    assert run.there() == [0, 1, 2, 3]
    assert {index: run.shard(index).stat().st_mtime_ns for index in before} == before
    assert run.answers(1) == 0
    assert_same(run, alone)

    # If all shards are there, no prompt is answered again, neither on the cluster nor on this machine.
    said = run.submit()
    assert f"{SHARDS} shards: {SHARDS} are there, 0 in the queue, 0 to submit" in said
    assert "Array job" not in said
    run.wait("the merge job", lambda: not run.queue())
    assert {index: run.shard(index).stat().st_mtime_ns for index in before} == before
    before = run.predictions().stat().st_mtime_ns
    run.make()
    assert run.predictions().stat().st_mtime_ns == before


def test_tasks_that_are_warned_or_pre_empted_go_back_into_the_queue_and_go_on(slurm, alone, tmp_path):
    run = Run(tmp_path, slurm)
    array, merge = jobs(run.submit())

    def in_queue_again(index: int) -> bool:
        task = f"{array}_{index}"
        return run.queue().get(task) == "PENDING" and "Restarts=1" in slurm.say("scontrol", "show", "job", task)

    # Send the warning signal that Slurm sends before the time limit. The signal arrives at once. If scancel then finds
    # the task on its way back into the queue, scancel tries again for minutes. `timeout` stops that.
    run.wait("five answers of shard 0", lambda: run.answers(0) >= 5)
    slurm.say("timeout", "3", "scancel", "--signal=USR1", "--batch", f"{array}_0", check=False)
    run.wait("the task in the queue", lambda: in_queue_again(0))
    assert run.answers(0) >= 5
    assert f"{run.answers(0)} answers are kept, and it goes on from there" in run.log(f"{array}_0")

    # A more urgent job takes both GPUs from the tasks that run on them.
    others = range(1, SHARDS)
    run.wait("five answers of another shard", lambda: any(run.answers(index) >= 5 for index in others))
    slurm.say("sbatch", "--partition=urgent", "--gres=gpu:2", "--output=/dev/null", "--wrap=sleep 2")
    run.wait("a pre-empted task in the queue", lambda: any(in_queue_again(index) for index in others))
    taken = [index for index in others if in_queue_again(index)]
    assert all("DUE TO PREEMPTION" in run.log(f"{array}_{index}") for index in taken)
    assert any(run.answers(index) > 0 for index in taken)

    # Slurm waits for two minutes before it restarts a pre-empted task. The task is in the queue, so it is not missing.
    missing = SHARDS - len(run.there())
    assert f"{SHARDS - missing} are there, {missing} in the queue, 0 to submit" in run.submit()
    assert run.queue()[merge] == "PENDING"
    for index in [0, *taken]:
        slurm.say("scontrol", "update", f"JobId={array}_{index}", "StartTime=now", check=False)
    run.wait("the merge job", lambda: not run.queue())
    assert all("1 restarts" in run.log(f"{array}_{index}") for index in [0, *taken])
    assert_same(run, alone)


def test_arrays_that_follow_each_other_keep_the_throttle_and_a_refused_one_is_submitted_by_the_same_command(
    slurm, alone, tmp_path
):
    """The cluster allows arrays of two tasks at most, and refuses every second submission."""
    tools = tmp_path / "tools"
    tools.mkdir()
    real = {tool: shutil.which(tool, path=slurm.environment["PATH"]) for tool in ("scontrol", "sbatch")}
    for tool, lines in {
        "scontrol": 'if [ "$*" = "show config" ]; then echo "MaxArraySize = 2"; exit; fi',
        "sbatch": f"if [ -e {tools}/once ]; then rm {tools}/once; echo Job violates QOS policy >&2; exit 1; fi\n"
                  f"touch {tools}/once",
    }.items():
        (tools / tool).write_text(f'#!/bin/bash\n{lines}\nexec {real[tool]} "$@"\n')
        (tools / tool).chmod(0o755)
    run = Run(tmp_path / "out", slurm)

    # The second array is refused. The first array goes on, and there is no merge job.
    said = run.submit(fails=True, tools=tools)
    assert "Job violates QOS policy" in said
    first = re.search(r"^Array job (\d+): tasks 0 to 1, 2 at a time$", said, re.M)[1]
    assert f"In the queue already: array job {first}. The same command submits the rest." in said
    assert set(run.queue()) == {f"{first}_0", f"{first}_1"}

    # The same command submits the second array. The merge job is refused.
    said = run.submit(fails=True, tools=tools)
    assert f"{SHARDS} shards: 0 are there, 2 in the queue, 2 to submit" in said
    second = re.search(rf"^Array job (\d+): tasks 0 to 1, 2 at a time, when {first} is over$", said, re.M)[1]
    assert f"In the queue already: array job {second}. The same command submits the rest." in said
    assert run.states(second) == {f"{second}_0": "PENDING", f"{second}_1": "PENDING"}
    assert "in the queue, 0 to submit" in run.submit(tools=tools)
    most = 0

    def over() -> bool:
        nonlocal most
        most = max(most, list(run.queue().values()).count("RUNNING"))
        return not run.queue()

    run.wait("the merge job", over)
    assert most == 2
    assert_same(run, alone)


def test_settings_that_would_spoil_a_run_are_refused(slurm, tmp_path):
    run = Run(tmp_path, slurm)
    array, merge = jobs(run.submit(MODELS=TINY, JOB_FLAGS="--begin=now+1hour"))
    for name, value in {"TRIALS": "2", "SHARDS": "2", "SEED": "7", "SHOTS": "1,2"}.items():
        said = run.make(fails=True, **{**CLUSTER, "MODELS": TINY, name: value})
        assert f"job {array} is still in the queue with {name}=" in said
    slurm.say("scancel", array, merge)
    run.wait("an empty queue", lambda: not run.queue())
    for settings, words in [
        ({"THROTTLE": "two"}, "THROTTLE=two: expected a number"),
        ({"JOB_PROLOG": "gone.sh"}, "JOB_PROLOG=gone.sh: no such file"),
        ({"JOB_PARTITION": "nowhere"}, "nowhere"),
    ]:
        said = run.make(fails=True, **{**CLUSTER, "MODELS": TINY, **settings})
        assert words in said, said
    assert not run.queue()


def test_a_prolog_is_sourced_and_a_task_that_fails_says_why(slurm, tmp_path):
    run = Run(tmp_path, slurm)
    (tmp_path / "prolog.sh").write_text("echo the prolog was here\n")
    said = run.submit(MODELS=TINY, DEVICE="nonsense", JOB_PROLOG=str(tmp_path / "prolog.sh"))
    array, merge = jobs(said)
    run.wait("an empty queue", lambda: not run.queue())
    log = run.log(f"{array}_0")
    assert "the prolog was here" in log and "nonsense" in log
    assert not list((tmp_path / "shards").glob("*.parquet"))
    assert not (tmp_path / "predictions").exists()


def test_without_slurm_it_says_what_is_missing(tmp_path):
    # A PATH with the tools that make needs, without Slurm's commands.
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("make", "bash", "seq"):
        (tools / tool).symlink_to(shutil.which(tool))
    words = [f"OUT={tmp_path}/out", f"MODELS={TINY}", f"PYTHON={sys.executable}", "CLUSTER=slurm"]
    command = [tools / "make", "-f", "scripts/reproduce.mk", *words]
    environment = {"PATH": str(tools)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "no sbatch on the PATH" in done.stderr
    assert not (tmp_path / "out").exists()

