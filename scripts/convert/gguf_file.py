"""Reading a GGUF file: typed metadata, tensors with their shapes, and an error for everything else.

Each key of the model's own section (such as `llama.rope.freq_base`) is read, known to be harmless, or refused. The keys
mean what they mean in llama.cpp (`load_hparams` in its src/llama-model.cpp, and src/models).
"""

import mmap
import re
from importlib.metadata import version
from pathlib import Path

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize

from blocks import TAKEN_APART, Blocks
from errors import ConvertError
from files import refuse_pointer
from source import Source

# llama.cpp's names for the parts of a model. The first part has all the metadata.
PART = re.compile(r"(?P<base>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")
COUNT, NUMBER, TENSORS = "split.count", "split.no", "split.tensors.count"
# How a user turns a file with unreadable types into a readable one.
REQUANTISE = "llama.cpp makes one of it that can be: llama-quantize --allow-requantize FILE.gguf NEW.gguf F32"
# The exceptions that GGUFReader and numpy raise if a file is truncated, damaged or not GGUF.
UNREADABLE = (ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError)

# Keys of the model's section that do not change its results. For these architectures, llama.cpp never reads them, or
# only with a scaling that is refused here (yarn, longrope), or only for embeddings (pooling_type).
HARMLESS = frozenset(
    """
    pooling_type rope.scaling.finetuned rope.scaling.original_context_length rope.scaling.yarn_attn_factor
    rope.scaling.yarn_beta_fast rope.scaling.yarn_beta_slow tensor_data_layout vocab_size
    """.split()
)
# Keys with the one value that is allowed: it has the same effect as an absent key.
NEUTRAL = {"attention.causal": True, "expert_count": 0, "expert_used_count": 0, "rope.scaling.attn_factor": 1}


def opened(path: Path) -> GGUFReader:
    """A reader of one file. Raises ConvertError if the file is not GGUF or is damaged."""
    refuse_pointer(path)
    with path.open("rb") as file:
        magic = file.read(4)
    if magic != b"GGUF":
        raise ConvertError(f"{path}: not a GGUF file (it starts with {magic!r})")
    try:
        return GGUFReader(path)
    except UNREADABLE as err:
        unknown = re.search(r"(\d+)\)? is not a valid GGMLQuantizationType", str(err))
        if unknown:
            what = f"a tensor of type {unknown[1]}, which gguf {version('gguf')} does not know"
            raise ConvertError(f"{path}: {what}: {REQUANTISE}") from err
        raise ConvertError(f"{path}: damaged or truncated GGUF file ({err})") from err


class GgufFile(Source):
    """A GGUF file, or all its parts. `tensor` returns float32 arrays in numpy order: a matrix is [out, in]."""

    def __init__(self, path: Path):
        """`path` may be any of the parts."""
        self.path = path
        self._seen: set[str] = set()
        self._paths = self._parts()
        self._readers = [opened(part) for part in self._paths]
        self._fields = self._readers[0].fields
        self._tensors = {tensor.name: tensor for reader in self._readers for tensor in reader.tensors}
        self._check_parts()
        self.architecture = self.text("general.architecture")
        self.license = self.get("general.license")

    def _parts(self) -> list[Path]:
        """The paths of all parts, derived from the file name."""
        split = PART.fullmatch(self.path.name)
        if split is None:
            return [self.path]
        count = int(split["count"])
        paths = [self.path.with_name(f"{split['base']}-{n:05}-of-{count:05}.gguf") for n in range(1, count + 1)]
        for path in paths:
            if not path.is_file():
                raise ConvertError(f"{path}: no such file, and {self.path.name} is one of {count} parts")
        return paths if self.path in paths else [self.path]

    def _check_parts(self) -> None:
        """Check each part's metadata: its number, the number of parts and the total number of tensors."""
        parts, count = list(zip(self._paths, self._readers)), len(self._paths)
        expected = [(*part, key, value) for i, part in enumerate(parts) for key, value in ((COUNT, count), (NUMBER, i))]
        for path, reader, key, value in [*expected, *((*part, TENSORS, len(self._tensors)) for part in parts)]:
            found = reader.fields[key].contents() if key in reader.fields else None
            # When llama.cpp joins parts, it keeps these keys and sets the count to 0.
            if found != value and (count > 1 or key == COUNT and found not in (None, 0)):
                what = f"metadata {key}: {found!r:.40}, but by the names and tensors of its {count} parts it is {value}"
                raise ConvertError(f"{path}: {what} (parts are named NAME-00001-of-00003.gguf, all of one model)")

    def get(self, key: str, default=None):
        """The value under `key`, or `default` if the file has no such key."""
        self._seen.add(key)
        field = self._fields.get(key)
        if field is None:
            return default
        try:
            return field.contents()
        except UNREADABLE as err:
            raise ConvertError(f"{self.path}: metadata {key}: unreadable ({err})") from err

    def _typed(self, key: str, types, wanted: str, default=None):
        value = self.get(key, default)
        if value is None:
            raise ConvertError(f"{self.path}: metadata {key}: missing (expected {wanted})")
        if not isinstance(value, types) or (types is not bool and isinstance(value, bool)):
            raise ConvertError(f"{self.path}: metadata {key}: expected {wanted}, found {value!r:.40}")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        return self._typed(key, str, "a string", default)

    def own(self, key: str, default=None):
        """The value under `key` of the model's own section."""
        return self.get(f"{self.architecture}.{key}", default)

    def refuse(self, key: str, why: str) -> ConvertError:
        """The error for a key of the model's own section."""
        return ConvertError(f"{self.path}: metadata {self.architecture}.{key}: {why}")

    def expect(self, key: str, value) -> None:
        """Refuse a key of the model's own section unless it is absent or has the value that the graphs compute."""
        found = self.own(key, value)
        if found != value:
            raise self.refuse(key, f"{found!r:.40} is not supported (expected {value!r})")

    def finish(self) -> None:
        """Refuse the keys of the model's own section that were not read and are not known to be harmless."""
        for key, value in NEUTRAL.items():
            if f"{self.architecture}.{key}" not in self._seen:
                self.expect(key, value)
        for key in self._fields:
            section, _, own = key.partition(".")
            if section == self.architecture and key not in self._seen and own not in HARMLESS:
                raise self.refuse(own, f"{self.get(key)!r:.40}: not known to this converter")

    def count(self, key: str, default: int | None = None) -> int:
        """A positive integer from the model's own section, such as `block_count`."""
        key = f"{self.architecture}.{key}"
        value = self._typed(key, int, "one integer", default)
        if value < 1:
            raise ConvertError(f"{self.path}: metadata {key}: expected a positive integer, found {value}")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """A positive finite number from the model's own section."""
        key = f"{self.architecture}.{key}"
        # Files hold float32. The shortest decimal form of it is the number that the model's authors wrote.
        value = float(str(np.float32(self._typed(key, (int, float), "a number", default))))
        if not 0 < value < float("inf"):
            raise ConvertError(f"{self.path}: metadata {key}: expected a positive number, found {value}")
        return value

    def array(self, key: str, default: list | None = None) -> list:
        return self._typed(key, list, "a list", default)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: tuple(int(n) for n in reversed(tensor.shape)) for name, tensor in self._tensors.items()}

    def tensor(self, name: str) -> np.ndarray:
        """The tensor's weights, dequantised to float32."""
        tensor = self._tensors[name]
        try:
            values = dequantize(tensor.data, tensor.tensor_type)
        except NotImplementedError as err:
            what = f"tensor {name}: type {tensor.tensor_type.name} cannot be read"
            raise ConvertError(f"{self.path}: {what}: {REQUANTISE}") from err
        except UNREADABLE as err:
            raise ConvertError(f"{self.path}: tensor {name} ({tensor.tensor_type.name}): {err}") from err
        values = np.array(values, dtype=np.float32, copy=values.base is not None)
        self._forget()
        return values

    def blocks(self, name: str) -> Blocks | None:
        tensor = self._tensors[name]
        take_apart = TAKEN_APART.get(tensor.tensor_type)
        if take_apart is None or len(tensor.shape) != 2:
            return None
        blocks = take_apart(np.asarray(tensor.data), int(tensor.shape[0]))
        self._forget()
        return blocks

    def has_blocks(self) -> bool:
        return any(name.startswith("blk.") and t.tensor_type in TAKEN_APART for name, t in self._tensors.items())

    def _forget(self) -> None:
        """Release the pages read so far. Readers map their files, so all these pages would stay in memory."""
        for reader in self._readers:
            reader.data._mmap.madvise(mmap.MADV_DONTNEED)

    def files(self) -> list[Path]:
        return self._paths
