"""The base of all kinds of sources: named tensors with shapes, a check of them, and the hashes of files."""

import hashlib
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np

from blocks import Blocks
from errors import ConvertError


class Source(ABC):
    """A checkpoint that can be read tensor by tensor."""

    path: Path
    # The source's own name for the architecture.
    architecture: str
    license: str | None = None

    @abstractmethod
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every tensor, under the source's names; a matrix is [out, in]."""

    @abstractmethod
    def tensor(self, name: str) -> np.ndarray:
        """Read one tensor, in the source's type: float32, float16 or bfloat16 (ml_dtypes)."""

    def blocks(self, name: str) -> Blocks | None:
        """The tensor in the source's blocks of 4 bits; None if it is not a matrix in such blocks."""
        return None

    def has_blocks(self) -> bool:
        """Whether any layer has a matrix in blocks of 4 bits."""
        return False

    @abstractmethod
    def files(self) -> list[Path]:
        """The files that were read, for the card."""

    @property
    def tensor_file(self) -> Path:
        """The file or folder that messages about tensors name."""
        return self.path

    def check_tensors(self, expected: dict[str, tuple[int, ...]], ignored=lambda name: False) -> None:
        """Check that no expected tensor is missing, that no other is present, and that all shapes are right."""
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
        """The name and SHA-256 of every file that was read."""
        table = []
        for path in self.files():
            with path.open("rb") as file:
                table.append({"file": path.name, "sha256": hashlib.file_digest(file, "sha256").hexdigest()})
        return table
