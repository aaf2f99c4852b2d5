"""Reading a GGUF file: metadata with a type, tensors with a shape, and an error for everything else.

A key of the model's own section (`llama.rope.freq_base`) is read, known to be harmless, or refused. What the keys mean is
what llama.cpp makes of them (`load_hparams` in its src/llama-model.cpp, and src/models).
"""

import mmap
from pathlib import Path

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize

from blocks import TAKEN_APART, Blocks
from errors import ConvertError
from files import refuse_pointer
from source import Source

# What GGUFReader and numpy raise on a file that is cut off, mangled or no GGUF at all.
UNREADABLE = (ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError)

# Keys of the model's section that do not change what it computes: llama.cpp does not read them for these architectures, or
# only with a scaling that is refused (yarn, longrope) or for embeddings (pooling_type).
HARMLESS = frozenset(
    """
    pooling_type rope.scaling.finetuned rope.scaling.original_context_length rope.scaling.yarn_attn_factor
    rope.scaling.yarn_beta_fast rope.scaling.yarn_beta_slow tensor_data_layout vocab_size
    """.split()
)
# Keys with a value that is as good as none, which is what the graphs compute.
NEUTRAL = {"attention.causal": True, "expert_count": 0, "expert_used_count": 0, "rope.scaling.attn_factor": 1}


class GgufFile(Source):
    """One GGUF file. `tensor` gives float32 arrays in numpy order: a matrix is [out, in]."""

    def __init__(self, path: Path):
        self.path = path
        self._seen: set[str] = set()
        refuse_pointer(path)
        with path.open("rb") as file:
            magic = file.read(4)
        if magic != b"GGUF":
            raise ConvertError(f"{path}: not a GGUF file (it starts with {magic!r})")
        try:
            self._reader = GGUFReader(path)
        except UNREADABLE as err:
            raise ConvertError(f"{path}: damaged or truncated GGUF file ({err})") from err
        self._tensors = {tensor.name: tensor for tensor in self._reader.tensors}
        self.architecture = self.text("general.architecture")
        self.license = self.get("general.license")

    def get(self, key: str, default=None):
        """The value under `key`, or `default` where the file has none."""
        self._seen.add(key)
        field = self._reader.fields.get(key)
        if field is None:
            return default
        try:
            return field.contents()
        except UNREADABLE as err:
            raise ConvertError(f"{self.path}: metadata {key}: unreadable ({err})") from err

    def _typed(self, key: str, types, wanted: str):
        value = self.get(key)
        if value is None:
            raise ConvertError(f"{self.path}: metadata {key}: missing (expected {wanted})")
        if not isinstance(value, types) or (types is not bool and isinstance(value, bool)):
            raise ConvertError(f"{self.path}: metadata {key}: expected {wanted}, found {value!r:.40}")
        return value

    def text(self, key: str) -> str:
        return self._typed(key, str, "a string")

    def own(self, key: str, default=None):
        """The value under `key` of the model's own section."""
        return self.get(f"{self.architecture}.{key}", default)

    def refuse(self, key: str, why: str) -> ConvertError:
        """What is wrong with a key of the model's own section."""
        return ConvertError(f"{self.path}: metadata {self.architecture}.{key}: {why}")

    def expect(self, key: str, value) -> None:
        """Refuse every value of the model's own section but the one that the graphs compute; none is as good."""
        found = self.own(key, value)
        if found != value:
            raise self.refuse(key, f"{found!r:.40} is not supported (expected {value!r})")

    def finish(self) -> None:
        """Refuse what nobody has read of the model's own section and what is not known to be harmless."""
        for key, value in NEUTRAL.items():
            self.expect(key, value)
        for key in self._reader.fields:
            section, _, own = key.partition(".")
            if section == self.architecture and key not in self._seen and own not in HARMLESS:
                raise self.refuse(own, f"{self.get(key)!r:.40}: not known to this converter")

    def count(self, key: str, default: int | None = None) -> int:
        """A positive integer of the model's own section, `block_count` say."""
        if default is not None and self.own(key) is None:
            return default
        key = f"{self.architecture}.{key}"
        value = self._typed(key, int, "one integer")
        if value < 1:
            raise ConvertError(f"{self.path}: metadata {key}: expected a positive integer, found {value}")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """A positive finite number of the model's own section."""
        if default is not None and self.own(key) is None:
            return default
        key = f"{self.architecture}.{key}"
        # Files hold float32; its shortest decimal is the number the model's makers wrote.
        value = float(str(np.float32(self._typed(key, (int, float), "a number"))))
        if not 0 < value < float("inf"):
            raise ConvertError(f"{self.path}: metadata {key}: expected a positive number, found {value}")
        return value

    def array(self, key: str) -> list:
        return self._typed(key, list, "a list")

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: tuple(int(n) for n in reversed(tensor.shape)) for name, tensor in self._tensors.items()}

    def tensor(self, name: str) -> np.ndarray:
        """The tensor's weights, dequantised to float32."""
        tensor = self._tensors[name]
        try:
            values = dequantize(tensor.data, tensor.tensor_type)
        except (*UNREADABLE, NotImplementedError) as err:
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
        """The reader maps the file; without this, every page that was read would stay resident."""
        self._reader.data._mmap.madvise(mmap.MADV_DONTNEED)

    def files(self) -> list[Path]:
        return [self.path]
