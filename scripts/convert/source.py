"""What every kind of source has: named tensors with a shape, files to hash, and one check of both."""

import hashlib
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np

from blocks import Blocks
from errors import ConvertError


class Source(ABC):
    """A checkpoint that can be read tensor by tensor."""

    path: Path
    # The architecture as the source itself names it.
    architecture: str
    license: str | None = None

    @abstractmethod
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every tensor by the source's own names; a matrix is [out, in]."""

    @abstractmethod
    def tensor(self, name: str) -> np.ndarray:
        """One tensor, read now: float32, float16 or bfloat16 (ml_dtypes), as the source has it."""

    def blocks(self, name: str) -> Blocks | None:
        """The tensor as the source packs it, where it is a matrix in blocks of 4 bits; None: it is not."""
        return None

    def has_blocks(self) -> bool:
        """Whether a layer has a matrix in blocks."""
        return False

    @abstractmethod
    def files(self) -> list[Path]:
        """The files that were read, for the card."""

    @property
    def tensor_file(self) -> Path:
        """The file or folder that messages about tensors name."""
        return self.path

    def check_tensors(self, expected: dict[str, tuple[int, ...]], ignored=lambda name: False) -> None:
        """Hold the source's tensors against the architecture's: none missing, none unknown, each its shape."""
        found = self.shapes()
        for name in found:
            if name not in expected and not ignored(name):
                raise ConvertError(
                    f"{self.tensor_file}: tensor {name}: not part of the {self.architecture} architecture "
                    "as this converter knows it"
                )
        for name, shape in expected.items():
            if name not in found:
                raise ConvertError(f"{self.tensor_file}: tensor {name}: missing")
            if found[name] != shape:
                raise ConvertError(f"{self.tensor_file}: tensor {name}: shape {found[name]}, expected {shape}")

    def hashes(self) -> list[dict[str, str]]:
        """Name and SHA-256 of every file that was read."""
        table = []
        for path in self.files():
            with path.open("rb") as file:
                table.append({"file": path.name, "sha256": hashlib.file_digest(file, "sha256").hexdigest()})
        return table
