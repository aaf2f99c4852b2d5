"""Which kind of source a path is: the one place to add a file format."""

from pathlib import Path

from errors import ConvertError
from gguf_file import GgufFile
from hf_folder import HfFolder
from lightning_folder import LightningFolder
from pt_file import LIGHTNING, PtFile, is_checkpoint
from source import Source


def open_source(path: Path) -> Source:
    """The source at `path`, its metadata read and checked, its weights untouched."""
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
