"""Runs scripts/convert as a user does, for tests."""

import subprocess
import sys
from pathlib import Path

# git-lfs leaves such a pointer in place of a large file.
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1234567\n"
POINTED = "a git-lfs pointer, not the file itself: run `git lfs pull`"
ROOT = Path(__file__).resolve().parents[2]


def run_convert(*arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, ROOT / "scripts" / "convert", *arguments]
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)


def convert(source: Path, folder: Path, *options: str) -> Path:
    """Converts a model and returns the model folder."""
    done = run_convert(source, "-o", folder, *options)
    assert done.returncode == 0, done.stderr
    # Standard error is not a terminal here, so no progress is shown.
    assert (done.stdout, done.stderr) == ("", "")
    return folder


def refused(folder: Path, source: Path, *words: str, options=(), name: str = "model") -> None:
    """Checks that the converter fails: one line with these words, exit code 1, and nothing left behind in `folder`."""
    before = sorted(folder.iterdir())
    done = run_convert(source, "-o", folder / name, *options)
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("convert: ") and done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr
    assert sorted(folder.iterdir()) == before
