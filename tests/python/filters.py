"""Running the built filters as a user does, for tests; SHOTLINE_BIN has the folder that they are in."""

import os
import subprocess
from pathlib import Path

from converter import ROOT

BIN = Path(os.environ.get("SHOTLINE_BIN", ROOT / "target" / "release")).resolve()


def run(name: str, *arguments, text: str = "") -> subprocess.CompletedProcess:
    program = BIN / name
    assert program.is_file(), f"SHOTLINE_BIN must name the folder of the built filters; {program} is not there"
    return subprocess.run([program, *map(str, arguments)], input=text, capture_output=True, text=True, check=False)


def filtered(name: str, *arguments, text: str = "") -> str:
    done = run(name, *arguments, text=text)
    assert done.returncode == 0, done.stderr
    return done.stdout


def infer(folder: Path, prompts: str, *options) -> subprocess.CompletedProcess:
    """What comes of prompts, by the runtime of this checkout where it has one."""
    library = sorted((ROOT / "runtime").glob("libonnxruntime.so*"))
    return run("infer", "--model", folder, *(["--ort-lib", library[0]] if library else []), *options, text=prompts)
