"""Reading a safetensors file tensor by tensor.

The format (github.com/huggingface/safetensors, README): eight bytes with the header's length (little-endian); the
header, JSON with each tensor's dtype, shape and offsets; the tensors' bytes. The file is read into our own memory. It
is not mapped, because the pages of a mapping stay in memory once they are touched. So even a model of 60 GB only needs
the memory of its largest tensor.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import ml_dtypes
import numpy as np

from errors import ConvertError
from files import refuse_pointer

# The types of weights; float8 has scales (fp8.py). Other types (integers) occur in quantised models and are refused.
FP8 = "F8_E4M3"
DTYPES = {
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    FP8: np.dtype(ml_dtypes.float8_e4m3fn),
}
# The largest header that the official library of the format accepts.
MAX_HEADER = 100_000_000


@dataclass(frozen=True)
class Entry:
    """Where a tensor lies in a file."""

    path: Path
    dtype: str
    shape: tuple[int, ...]
    offset: int


def entries(path: Path) -> dict[str, Entry]:
    """Where each tensor of a file lies, by name."""

    def damaged(why: str) -> ConvertError:
        return ConvertError(f"{path}: damaged or truncated safetensors file ({why})")

    refuse_pointer(path)
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(MAX_HEADER, size - 8):
            raise damaged("no whole header")
        try:
            header = json.loads(file.read(length))
        except ValueError as err:
            raise damaged(f"its header is not JSON: {err}") from err
    table = {}
    try:
        for name, tensor in header.items():
            if name == "__metadata__":
                continue
            begin, end = tensor["data_offsets"]
            shape = tuple(int(n) for n in tensor["shape"])
            if not 0 <= begin <= end <= size - 8 - length:
                raise damaged(f"tensor {name} lies outside the file")
            dtype = tensor["dtype"]
            if dtype in DTYPES and end - begin != math.prod(shape) * DTYPES[dtype].itemsize:
                raise damaged(f"tensor {name} is not as long as its shape {shape} says")
            table[name] = Entry(path, dtype, shape, 8 + length + begin)
    except (AttributeError, KeyError, TypeError, ValueError) as err:
        raise damaged(f"its header is not a table of tensors: {err!r}") from err
    return table


def read(name: str, entry: Entry) -> np.ndarray:
    """Read one tensor, in the file's type."""
    if entry.dtype not in DTYPES:
        raise ConvertError(f"{entry.path}: tensor {name}: type {entry.dtype} (expected one of {', '.join(DTYPES)})")
    count = math.prod(entry.shape)
    array = np.fromfile(entry.path, DTYPES[entry.dtype], count, offset=entry.offset)
    if len(array) != count:
        raise ConvertError(f"{entry.path}: tensor {name}: the file has become shorter")
    return array.reshape(entry.shape)
