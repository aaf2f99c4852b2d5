"""Files that a user points to: a git-lfs pointer in the place of one is named, and JSON is read whatever editor wrote it."""

import json
from pathlib import Path

from errors import ConvertError

# What every pointer begins with, by git-lfs's specification.
POINTER = b"version https://git-lfs.github.com/spec/"


def refuse_pointer(path: Path) -> None:
    """Refuse what git leaves where a large file belongs, until it is asked for the file."""
    with path.open("rb") as file:
        if file.read(len(POINTER)) == POINTER:
            raise ConvertError(f"{path}: a git-lfs pointer, not the file itself: run `git lfs pull`")


def read_json(path: Path):
    """What is in a JSON file."""
    refuse_pointer(path)
    try:
        # From bytes, so that a byte-order mark and UTF-16 are told.
        return json.loads(path.read_bytes())
    except ValueError as err:
        raise ConvertError(f"{path}: not JSON ({err})") from err
