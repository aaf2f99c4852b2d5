"""Runs the built filters as a user does, for tests. SHOTLINE_BIN names their folder."""

import csv
import os
import subprocess
from pathlib import Path

from converter import ROOT

BIN = Path(os.environ.get("SHOTLINE_BIN", ROOT / "target" / "release")).resolve()
# Without the variables that `make test` passes on, so that a make in a test is independent of it.
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")},
    "SHOTLINE_ORT_LIB": str(ROOT / "runtime"),
}


def run(name: str, *arguments, text: str = "") -> subprocess.CompletedProcess:
    program = BIN / name
    assert program.is_file(), f"SHOTLINE_BIN must name the folder of the built filters; {program} is not there"
    return subprocess.run([program, *map(str, arguments)], input=text, capture_output=True, text=True, check=False)


def filtered(name: str, *arguments, text: str = "") -> str:
    done = run(name, *arguments, text=text)
    assert done.returncode == 0, done.stderr
    return done.stdout


def infer(folder: Path, prompts: str, *options) -> subprocess.CompletedProcess:
    """Runs infer on prompts, with this checkout's runtime if it has one."""
    library = sorted((ROOT / "runtime").glob("libonnxruntime.so*"))
    return run("infer", "--model", folder, *(["--ort-lib", library[0]] if library else []), *options, text=prompts)


def said(command: list[str], fails: bool = False) -> str:
    """The output of a command that uses the filters, run in the checkout with its runtime."""
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr


def rows(path: Path) -> list[dict]:
    """The rows of a CSV file."""
    with path.open() as file:
        return list(csv.DictReader(file))
