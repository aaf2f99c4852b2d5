"""Finds the kind of source at a path. This is the one place where a file format is added."""

from pathlib import Path

from errors import ConvertError
from gguf_file import GgufFile
from hf_folder import HfFolder
from lightning_folder import LightningFolder
from pt_file import LIGHTNING, PtFile, is_checkpoint
from source import Source


def open_source(path: Path) -> Source:
    """Open the source at `path`: its metadata is read and checked, its weights are not read yet."""
    if is_checkpoint(path):
        return PtFile(path)
    folder = path.parent if path.suffix == LIGHTNING else path
    if LightningFolder.is_one(folder):
        return LightningFolder(folder)
    if path.is_dir():
        return HfFolder(path)
    if not path.is_file():
        raise ConvertError(f"{path}: no such file or folder")
    return GgufFile(path)
