"""Test the GPU kit: pack it, unpack it, and run all stages with tiny models.

    make test-cuda

The stages run on the CPU and on a CUDA device that computes nothing. The comparison with transformers needs the
environment of `make test-oracle`: tests/oracle/test_gpu_kit.py tests it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from device import NULL_CUDA, ROOT, RUNTIME

KIT = ROOT / "scripts" / "gpu-kit"
sys.path.insert(0, str(KIT))

from stages import STAGES  # noqa: E402


@pytest.fixture(scope="module")
def parts(tmp_path_factory) -> Path:
    """The folder with the packed parts of the kit, at the fastest compression."""
    out = tmp_path_factory.mktemp("kit") / "parts"
    build = [sys.executable, KIT / "build.py", out, "--bin", os.environ["SHOTLINE_BIN"], "--runtime", RUNTIME]
    subprocess.run([*build, "--preset", "0"], check=True)
    return out


@pytest.fixture(scope="module")
def kit(parts) -> Path:
    """The folder of the unpacked kit."""
    subprocess.run([parts / "unpack", parts.parent], check=True)
    return parts.parent / "shotline-gpu-kit"


def check(kit: Path, results: Path, *options: str, **variables) -> list[dict]:
    """Does a dry run of the kit's stages and returns the rows of results."""
    command = [kit / "check", "--dry-run", "--seconds", "400", "--results", results, "--work", results.parent / "work"]
    environment = os.environ | {"PYTHON": sys.executable} | {name: str(value) for name, value in variables.items()}
    subprocess.run([*map(str, command), *options], env=environment, check=False)
    return [json.loads(line) for line in results.read_text().splitlines()]


def test_every_stage_runs_on_the_processor_and_is_right(kit, tmp_path):
    rows = check(kit, tmp_path / "results.jsonl", "--device", "cpu")
    assert [row for row in rows if row["status"] in ("wrong", "failed")] == []
    assert {row["stage"] for row in rows} == set(STAGES)


def test_every_stage_runs_on_cuda_to_its_end(kit, tmp_path):
    """The device computes nothing, so the numbers are wrong, and the doctor says so. No stage fails."""
    rows = check(kit, tmp_path / "results.jsonl", LD_LIBRARY_PATH=NULL_CUDA)
    assert [row for row in rows if row["status"] == "failed"] == []
    assert {row["stage"] for row in rows if row["status"] == "wrong"} <= {"doctor", "tiny", "qwen3-0.6b", "evo2-1b"}
    assert {row["stage"] for row in rows} == set(STAGES)


def test_a_stage_that_fails_is_a_result_and_the_next_one_runs(kit, tmp_path):
    library = kit / "bin" / "gen-tasks"
    hidden = library.rename(library.with_suffix(".hidden"))
    try:
        rows = check(kit, tmp_path / "results.jsonl", "--device", "cpu", "--only", "doctor", "--only", "tiny", "--only", "sweep")
    finally:
        hidden.rename(library)
    status = {row["stage"]: row["status"] for row in rows if row["name"] == "stage"}
    assert status == {"tiny": "failed", "sweep": "failed"}
    assert {row["stage"] for row in rows if row["status"] == "ok"} >= {"doctor"}


def test_no_part_is_larger_than_may_be_carried_and_a_damaged_one_is_named(parts, tmp_path):
    files = sorted(parts.glob("*.tar.xz.*"))
    assert files and all(file.stat().st_size <= 50 << 20 for file in files)
    part = files[-1]
    data = part.read_bytes()
    part.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    try:
        done = subprocess.run([parts / "unpack", tmp_path], capture_output=True, text=True, check=False)
    finally:
        part.write_bytes(data)
    assert (done.returncode, done.stderr) == (1, f"unpack: {part.name} is damaged\n")
    assert list(tmp_path.iterdir()) == []
