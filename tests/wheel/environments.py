"""Make fresh Python environments and install the wheel in them, as a user does."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "target" / "venv-wheel" / "bin"
OLDEST = (3, 11)


def built(pattern: str) -> Path:
    """The file of this name pattern that `make wheel` built."""
    [file] = (ROOT / "target" / "wheels").glob(pattern)
    return file


def pythons() -> dict[str, str]:
    """The Pythons on this machine that the wheel supports: the path by version, one for each minor version."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    folders = [*map(Path, os.environ["PATH"].split(os.pathsep)), *sorted(pyenv.glob("versions/*/bin"))]
    found = {}
    for program in [Path(sys.executable), *(file for folder in folders for file in sorted(folder.glob("python3.*")))]:
        if not re.fullmatch(r"python(3(\.\d+)?)?", program.name):
            continue
        told = "import ensurepip, sys; print(*sys.version_info[:2])"
        done = subprocess.run([program, "-c", told], capture_output=True, text=True, check=False)
        # pyenv's shims fail if their version is not selected.
        if done.returncode == 0 and (version := tuple(map(int, done.stdout.split()))) >= OLDEST:
            found.setdefault(".".join(map(str, version)), str(program))
    return found


@dataclass(frozen=True)
class Environment:
    """A virtual environment."""

    folder: Path

    @classmethod
    def made(cls, folder: Path, python: str, what: str, *more: str, uv: bool = False) -> "Environment":
        """Makes an environment with the wheel, the extras in `what` (such as `[cpu]`) and the packages in `more`."""
        wanted = [f"shotline{what} @ {built('*.whl').as_uri()}", *more]
        if uv:
            said([TOOLS / "uv", "venv", "--quiet", "--python", python, folder])
            said([TOOLS / "uv", "pip", "install", "--quiet", "--python", folder / "bin" / "python", *wanted])
        else:
            said([python, "-m", "venv", folder])
            said([folder / "bin" / "python", "-m", "pip", "install", "--quiet", *wanted])
        return cls(folder)

    @property
    def packages(self) -> Path:
        [folder] = self.folder.glob("lib/python3.*/site-packages")
        return folder

    def run(self, script: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess:
        """Runs a shell script with this environment first on the PATH, and without variables of the checkout."""
        ours = ("SHOTLINE_", "ORT_", "LD_LIBRARY_PATH", "PYTHON", "VIRTUAL_ENV")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        path = f"{self.folder / 'bin'}{os.pathsep}{kept['PATH']}"
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=cwd,
            env=kept | {"PATH": path} | variables,
            capture_output=True,
            text=True,
            check=False,
        )

    def says(self, script: str, cwd: Path) -> str:
        done = self.run(script, cwd)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(self, code: int, script: str, cwd: Path, *words: str) -> None:
        """Checks that the script fails with this exit code, no output, and one error line that has the words."""
        done = self.run(script, cwd)
        assert (done.returncode, done.stdout) == (code, ""), done
        assert done.stderr.count("\n") == 1, done.stderr
        for word in words:
            assert word in done.stderr, done.stderr


def said(command: list) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
