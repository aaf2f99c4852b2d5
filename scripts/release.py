"""What `make release` checks first, and what it gathers at the end.

    scripts/release.py check              one version everywhere, a dated entry in the changelog, no uncommitted change
    scripts/release.py gather OUT FILE..  the files, their checksums (SHA256SUMS) and the notes of the release (NOTES.md) in OUT
    scripts/release.py version            the version
"""

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path


def version(root: Path) -> str:
    return found(root / "Cargo.toml", r'^version = "(.*)"$')


def found(path: Path, pattern: str) -> str:
    """The first group of the first match in a file."""
    match = re.search(pattern, path.read_text(), re.MULTILINE)
    if match is None:
        sys.exit(f"release: {path}: nothing like {pattern}")
    return match[1]


def notes(root: Path) -> str:
    """The changelog's entry for this version."""
    text = (root / "CHANGELOG.md").read_text()
    entry = re.search(rf"^## {re.escape(version(root))} \(\d{{4}}-\d\d-\d\d\)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if entry is None:
        sys.exit(f"release: CHANGELOG.md has no entry `## {version(root)} (YYYY-MM-DD)`")
    return entry[1].strip() + "\n"


def check(root: Path) -> None:
    """Exits with a message if anything is wrong."""
    number = version(root)
    locked = r'^name = "shotline"\nversion = "(.*)"$'
    for name, pattern in (("CITATION.cff", r"^version: (.*)$"), ("Cargo.lock", locked), ("fuzz/Cargo.lock", locked)):
        other = found(root / name, pattern)
        if other != number:
            sys.exit(f"release: Cargo.toml has version {number}, {name} has {other}")
    notes(root)
    changed = subprocess.run(["git", "status", "--porcelain"], cwd=root, capture_output=True, text=True, check=True).stdout
    if changed:
        sys.exit(f"release: not committed:\n{changed}")


def gather(root: Path, out: Path, files: list[Path]) -> None:
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    sums = []
    for file in sorted(files, key=lambda file: file.name):
        shutil.copy(file, out)
        sums.append(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n")
    (out / "SHA256SUMS").write_text("".join(sums))
    (out / "NOTES.md").write_text(notes(root))
    print(f"{out}: {', '.join(sorted(file.name for file in out.iterdir()))}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check")
    commands.add_parser("version")
    gathers = commands.add_parser("gather")
    gathers.add_argument("out", type=Path)
    gathers.add_argument("files", type=Path, nargs="+")
    args = parser.parse_args()
    root = Path.cwd()
    if args.command == "check":
        check(root)
    elif args.command == "version":
        print(version(root))
    else:
        gather(root, args.out, args.files)


if __name__ == "__main__":
    main()
