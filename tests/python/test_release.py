"""Tests what scripts/release.py refuses and what it collects."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from converter import ROOT

SCRIPT = ROOT / "scripts" / "release.py"


@pytest.fixture
def sources(tmp_path) -> Path:
    """A repository with the files that a release checks."""
    (tmp_path / "fuzz").mkdir()
    for name in ("Cargo.toml", "Cargo.lock", "fuzz/Cargo.lock", "CITATION.cff", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    run(tmp_path, "git", "init", "--quiet")
    commit(tmp_path)
    return tmp_path


def run(folder: Path, *command) -> subprocess.CompletedProcess:
    return subprocess.run([str(word) for word in command], cwd=folder, capture_output=True, text=True, check=False)


def commit(folder: Path) -> None:
    run(folder, "git", "add", "--all")
    who = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.org", "-c", "commit.gpgsign=false")
    assert run(folder, "git", *who, "commit", "--quiet", "--no-verify", "--message", "A change").returncode == 0


def release(folder: Path, *arguments) -> subprocess.CompletedProcess:
    return run(folder, sys.executable, SCRIPT, *arguments)


def test_the_checkout_has_one_version_and_an_entry_for_it(sources):
    done = release(sources, "check")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("name", "before", "after", "said"),
    [
        ("CITATION.cff", "version: 0", "version: 7", "CITATION.cff has 7"),
        ("Cargo.lock", 'name = "shotline"\nversion = "0', 'name = "shotline"\nversion = "7', "Cargo.lock has 7"),
        ("fuzz/Cargo.lock", 'name = "shotline"\nversion = "0', 'name = "shotline"\nversion = "7', "fuzz/Cargo.lock has 7"),
        ("CHANGELOG.md", " (20", " (unreleased 20", "CHANGELOG.md has no entry"),
    ],
)
def test_what_does_not_fit_is_refused(sources, name, before, after, said):
    text = (sources / name).read_text()
    assert before in text
    (sources / name).write_text(text.replace(before, after, 1))
    commit(sources)
    done = release(sources, "check")
    assert done.returncode == 1
    assert said in done.stderr


def test_a_change_that_is_not_committed_is_refused(sources):
    (sources / "new.txt").write_text("new")
    done = release(sources, "check")
    assert done.returncode == 1
    assert "?? new.txt" in done.stderr


def test_files_are_gathered_with_checksums_and_notes(sources):
    (sources / "a.whl").write_text("wheel")
    assert release(sources, "gather", "out", "a.whl").returncode == 0
    sums = run(sources / "out", "sha256sum", "--check", "SHA256SUMS")
    assert sums.stdout == "a.whl: OK\n"
    notes = (sources / "out" / "NOTES.md").read_text()
    assert notes.startswith("### What you must change")
    assert "\n## " not in notes
