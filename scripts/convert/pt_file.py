"""Reading a PyTorch checkpoint (`.pt`, or its raw byte splits `.pt.part0`, `.pt.part1` ...) without PyTorch.

A `.pt` file is a zip of one pickle, which names the tensors, and one stored entry for each storage. A pickle may call
any function. Our unpickler therefore knows only tensors and plain Python containers. If a file asks for anything else,
the unpickler names and refuses it, and never imports it. Lightning's `.ckpt` and Hugging Face's `.bin` also hold other
objects, of any class: an empty object replaces each of them, and again nothing is imported. Tensors are read one at a
time.
"""

import io
import math
import os
import pickle
import re
import struct
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import ml_dtypes
import numpy as np

from errors import ConvertError
from files import refuse_pointer
from hf_config import HfConfig
from source import Source

# The storage types for weights. Evo 2 has bfloat16 matrices and float32 poles.
STORAGES = {"FloatStorage": np.float32, "BFloat16Storage": ml_dtypes.bfloat16, "HalfStorage": np.float16}
# The name ending of an entry that Transformer Engine stores beside each matrix (FP8 scales). It is not needed here.
EXTRA = "._extra_state"
# The classes in such an entry. Upstream's loader allows them, too (`load_checkpoint` in vortex/model/utils.py of vtx
# 1.1.0).
IGNORED = {
    ("_io", "BytesIO"),
    ("transformer_engine.common.recipe", "DelayedScaling"),
    ("transformer_engine.common.recipe", "Format"),
    ("transformer_engine.common.recipe", "_FormatHelper"),
}
# File endings of Lightning's checkpoints, and of Hugging Face's from before safetensors.
LIGHTNING, BIN = ".ckpt", ".bin"
# The local file header of a zip entry: bytes of its fixed part, and the offset of the lengths of name and extra field.
ZIP_HEADER, ZIP_LENGTHS = 30, 26
PART = re.compile(r"(?P<base>.+\.pt)\.part(?P<number>\d+)")
# The exceptions that zipfile and pickle raise if a file is truncated or damaged.
UNREADABLE = (
    *(zipfile.BadZipFile, pickle.UnpicklingError, EOFError, struct.error, OverflowError, MemoryError),
    *(ValueError, TypeError, KeyError, IndexError, AttributeError, NotImplementedError, RecursionError),
)


@dataclass(frozen=True)
class Tensor:
    """Where a tensor lies in the storage `key`; `first` (its start), `shape` and `strides` count elements."""

    key: str
    # None: the storage is of a type that holds no weights.
    dtype: type | None
    first: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def is_contiguous(self) -> bool:
        step = 1
        for size, stride in zip(reversed(self.shape), reversed(self.strides)):
            if size != 1 and stride != step:
                return False
            step *= size
        return len(self.shape) == len(self.strides)


class Ignored:
    """Replaces an object that the conversion does not need. It takes any arguments, state and items, and drops them."""

    __slots__ = ()

    def __init__(self, *_):
        pass

    def _drop(self, *_):
        pass

    __setstate__ = __setitem__ = append = extend = _drop


class _Call:
    """A function that a pickle may call. It has no `__dict__`, so a pickle cannot change it."""

    __slots__ = ("_function",)

    def __init__(self, function):
        object.__setattr__(self, "_function", function)

    def __call__(self, *arguments):
        return self._function(*arguments)

    def __setattr__(self, name, _):
        raise pickle.UnpicklingError(f"it sets {name} of a function")

    def __setstate__(self, _):
        raise pickle.UnpicklingError("it sets the state of a function")


def _storage(name: str):
    return lambda *_: _refuse(f"it calls torch.{name}")


def _refuse(why: str):
    raise pickle.UnpicklingError(why)


def _tensor(storage, first, shape, strides, *_) -> Tensor:
    """Replaces torch._utils._rebuild_tensor_v2."""
    numbers = (first, *shape, *strides)
    if not isinstance(storage, tuple) or any(type(n) is not int or n < 0 for n in numbers):
        _refuse("a tensor without a storage, a place and a shape")
    key, dtype = storage
    return Tensor(key, dtype, first, tuple(shape), tuple(strides))


def _parameter(tensor, *_) -> Tensor:
    """Replaces torch._utils._rebuild_parameter."""
    return tensor if isinstance(tensor, Tensor) else _refuse("a parameter that is no tensor")


def _encoded(text, encoding="utf-8") -> bytes:
    """Replaces _codecs.encode, which pickles of protocol 2 use for bytes."""
    return text.encode("latin1") if isinstance(text, str) and encoding == "latin1" else _refuse("it encodes a text")


class _Unpickler(pickle.Unpickler):
    """An unpickler that resolves only the names listed here, and replaces them by safe stand-ins."""

    CALLS = {
        ("torch._utils", "_rebuild_tensor_v2"): _Call(_tensor),
        ("torch._utils", "_rebuild_parameter"): _Call(_parameter),
        ("_codecs", "encode"): _Call(_encoded),
    }
    TYPES = {("torch", name): _Call(_storage(name)) for name in STORAGES}

    def __init__(self, content: bytes, ignores: bool = False):
        """`ignores`: unknown classes are replaced by an empty object instead of being refused."""
        super().__init__(io.BytesIO(content))
        self._ignores = ignores

    def find_class(self, module, name):
        where = (module, name)
        if where == ("collections", "OrderedDict"):
            return OrderedDict
        if where in IGNORED:
            return Ignored
        if self._ignores and where not in self.CALLS and where not in self.TYPES:
            return Ignored
        found = self.CALLS.get(where) or self.TYPES.get(where)
        return found or _refuse(f"it asks for {module}.{name}, which is no tensor and no plain container")

    def persistent_load(self, pid):
        if not (isinstance(pid, tuple) and len(pid) == 5 and pid[0] == "storage" and isinstance(pid[2], str)):
            _refuse(f"it refers to {pid!r:.80}, which is no storage")
        for (_, name), stand_in in self.TYPES.items():
            if pid[1] is stand_in:
                return pid[2], STORAGES[name]
        if self._ignores:
            return pid[2], None
        _refuse(f"it refers to {pid!r:.80}, which is no storage of a known type")


class Parts(io.RawIOBase):
    """Reads the pieces of a split file as one file, without joining them on disk."""

    def __init__(self, paths: list[Path]):
        super().__init__()
        for path in paths:
            refuse_pointer(path)
        self._files = [path.open("rb", buffering=0) for path in paths]
        ends = np.cumsum([os.fstat(file.fileno()).st_size for file in self._files]).tolist()
        self._spans = list(zip([0, *ends], ends))
        self.size = ends[-1]
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise ValueError("a place before the file")
        self._place = base + offset
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer) -> int:
        count = self.read_at(self._place, memoryview(buffer).cast("B"))
        self._place += count
        return count

    def read_at(self, start: int, view: memoryview) -> int:
        """Fill `view` with the bytes from `start` on; return the number of bytes read."""
        filled = 0
        for file, (first, end) in zip(self._files, self._spans):
            while filled < len(view) and first <= start + filled < end:
                count = os.preadv(file.fileno(), [view[filled:]], start + filled - first)
                if count == 0:
                    return filled
                filled += count
        return filled

    def close(self) -> None:
        for file in self._files:
            file.close()
        super().close()


def parts_of(path: Path) -> list[Path]:
    """The files of a checkpoint. `path` is the checkpoint, one of its parts, or its folder."""
    if path.is_dir():
        names = {PART.sub(r"\g<base>", entry.name) for entry in path.iterdir() if _is_named(entry)}
        if len(names) != 1:
            raise ConvertError(f"{path}: expected one .pt checkpoint, found {', '.join(sorted(names)) or 'none'}")
        return parts_of(path / names.pop())
    if path.suffix in (".pt", LIGHTNING, BIN) and path.is_file():
        return [path]
    split = PART.fullmatch(path.name)
    base = path.with_name(split["base"]) if split else path
    numbered = {}
    if base.parent.is_dir():
        for entry in base.parent.iterdir():
            match = PART.fullmatch(entry.name)
            if match and match["base"] == base.name:
                numbered[int(match["number"])] = entry
    if not numbered:
        raise ConvertError(f"{path}: no such file, and no {base.name}.part0 beside it")
    for number in range(max(numbered) + 1):
        if number not in numbered:
            raise ConvertError(f"{base}.part{number}: missing, but part {max(numbered)} is there")
    return [numbered[number] for number in sorted(numbered)]


def is_checkpoint(path: Path) -> bool:
    """Whether `path` is a checkpoint, one of its parts, or a folder that has these and no safetensors."""
    if path.is_dir():
        entries = list(path.iterdir())
        return any(map(_is_named, entries)) and not any(entry.suffix == ".safetensors" for entry in entries)
    return _is_named(path)


def _is_named(path: Path) -> bool:
    return path.suffix == ".pt" or PART.fullmatch(path.name) is not None


class PtFile(Source):
    """One checkpoint, in one file or in parts."""

    # A checkpoint does not name its architecture. This is the only one that is published as tensors alone.
    architecture = "striped_hyena_2"
    # The `model_args` of a nanoGPT checkpoint, whose tensors are under `model`.
    config: HfConfig | None = None

    def __init__(self, path: Path):
        self._paths = parts_of(path)
        self._beside: list[Path] = []
        first = self._paths[0]
        self.path = first.with_name(PART.sub(r"\g<base>", first.name))
        self._ignores = self.path.suffix in (LIGHTNING, BIN)
        self._file = Parts(self._paths)
        self._entries = self._read_directory()
        pickles = [name for name in self._entries if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ConvertError(f"{self.path}: not a PyTorch checkpoint (it has no data.pkl)")
        self._root = pickles[0].removesuffix("data.pkl")
        order = self._root + "byteorder"
        if order in self._entries and bytes(self._read(order)) != b"little":
            raise ConvertError(f"{self.path}: byte order: expected little")
        self._tensors = self._read_pickle(pickles[0])

    def _read_directory(self) -> dict[str, tuple[int, int]]:
        """For each entry, the offset and size of its bytes."""
        entries = {}
        try:
            with zipfile.ZipFile(self._file) as archive:
                infos = archive.infolist()
        except UNREADABLE as err:
            hint = "truncated, or its last part is missing" if len(self._paths) > 1 else "truncated"
            raise ConvertError(f"{self.path}: not a PyTorch checkpoint, or {hint} ({err})") from err
        header = bytearray(ZIP_HEADER)
        for info in infos:
            if info.compress_type != zipfile.ZIP_STORED:
                raise ConvertError(f"{self.path}: entry {info.filename}: compressed (expected a stored one)")
            if self._file.read_at(info.header_offset, memoryview(header)) < ZIP_HEADER or header[:4] != b"PK\x03\x04":
                raise ConvertError(f"{self.path}: entry {info.filename}: no header where the directory says")
            start = info.header_offset + ZIP_HEADER + sum(struct.unpack_from("<HH", header, ZIP_LENGTHS))
            if start + info.file_size > self._file.size:
                raise ConvertError(f"{self.path}: entry {info.filename}: truncated")
            entries[info.filename] = (start, info.file_size)
        return entries

    def _read_pickle(self, entry: str) -> dict[str, Tensor]:
        try:
            content = _Unpickler(self._read(entry), ignores=self._ignores).load()
        except UNREADABLE as err:
            raise ConvertError(f"{self.path}: {entry} refused: {err}") from err
        if self.path.suffix == LIGHTNING and isinstance(content, dict):
            content = content.get("state_dict")
        if isinstance(content, dict) and isinstance(content.get("model_args"), dict):
            self.architecture, self.config = "gpt2", HfConfig(f"{self.path}: model_args", content["model_args"])
            content = content.get("model")
        if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
            raise ConvertError(f"{self.path}: {entry}: expected a table of tensors, found {type(content).__name__}")
        return {name: value for name, value in content.items() if self._is_weight(name, value)}

    def beside(self, name: str, what: str):
        """The content of a pickle beside the checkpoint: plain containers only. `what` describes it in messages."""
        path = self.path.with_name(name)
        if not path.is_file():
            raise ConvertError(f"{path}: no such file (expected {what})")
        refuse_pointer(path)
        self._beside.append(path)
        try:
            return _Unpickler(path.read_bytes()).load()
        except UNREADABLE as err:
            raise ConvertError(f"{path}: refused: {err}") from err

    def _is_weight(self, name: str, value) -> bool:
        if name.endswith(EXTRA):
            return False
        if isinstance(value, Tensor) and value.dtype is not None:
            self._check(name, value)
            return True
        # Training counters, or masks.
        if self._ignores:
            return False
        raise ConvertError(f"{self.path}: {name}: expected a tensor, found {type(value).__name__}")

    def _check(self, name: str, tensor: Tensor) -> None:
        """Check the pickle's description of the tensor against the bytes in its storage."""
        _, size = self._entries.get(self._storage(tensor), (0, -1))
        if size < 0:
            raise ConvertError(f"{self.path}: tensor {name}: its storage data/{tensor.key} is missing")
        if not tensor.is_contiguous():
            raise ConvertError(
                f"{self.path}: tensor {name}: strides {tensor.strides} of shape {tensor.shape}: expected contiguous"
            )
        last = (tensor.first + math.prod(tensor.shape)) * np.dtype(tensor.dtype).itemsize
        if last > size:
            raise ConvertError(f"{self.path}: tensor {name}: ends at byte {last} of a storage of {size}")

    def _storage(self, tensor: Tensor) -> str:
        return f"{self._root}data/{tensor.key}"

    def _read(self, entry: str, first: int = 0, count: int | None = None) -> bytearray:
        start, size = self._entries[entry]
        content = bytearray(size - first if count is None else count)
        if self._file.read_at(start + first, memoryview(content)) < len(content):
            raise ConvertError(f"{self.path}: {entry}: truncated while it was read")
        return content

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: tensor.shape for name, tensor in self._tensors.items()}

    def tensor(self, name: str) -> np.ndarray:
        tensor = self._tensors[name]
        dtype = np.dtype(tensor.dtype)
        first, count = tensor.first * dtype.itemsize, math.prod(tensor.shape) * dtype.itemsize
        return np.frombuffer(self._read(self._storage(tensor), first, count), dtype).reshape(tensor.shape)

    def files(self) -> list[Path]:
        return [*self._paths, *self._beside]
