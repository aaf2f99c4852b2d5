"""Files given by the user: git-lfs pointers are refused, and JSON is read in any Unicode encoding."""

import json
from pathlib import Path

from errors import ConvertError

# The start of every pointer, by git-lfs's specification.
POINTER = b"version https://git-lfs.github.com/spec/"


def refuse_pointer(path: Path) -> None:
    """Refuse a git-lfs pointer, which stands in place of a large file that was not downloaded yet."""
    with path.open("rb") as file:
        if file.read(len(POINTER)) == POINTER:
            raise ConvertError(f"{path}: a git-lfs pointer, not the file itself: run `git lfs pull`")


def read_json(path: Path):
    """The content of a JSON file."""
    refuse_pointer(path)
    try:
        # json.loads recognises a byte-order mark and UTF-16 only if it gets bytes.
        return json.loads(path.read_bytes())
    except ValueError as err:
        raise ConvertError(f"{path}: not JSON ({err})") from err
