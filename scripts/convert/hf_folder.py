"""A Hugging Face folder: config.json, tokenizer files, and weights in safetensors (one file or shards) or one .bin."""

from pathlib import Path

import numpy as np

import fp8
import safetensors_file
from errors import ConvertError
from files import read_json
from hf_config import HfConfig
from pt_file import PtFile
from source import Source

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
# The weights file of older versions of transformers.
BEFORE = "pytorch_model.bin"


class HfFolder(Source):
    """A folder written by `save_pretrained`, or a `git clone` of a published model."""

    def __init__(self, path: Path):
        self.path = path
        self._read: list[Path] = []
        self.config = HfConfig(path / "config.json", self.table("config.json"))
        self.architecture = self.config.text("model_type")
        self._block = fp8.block_of(self.config)
        self._before: PtFile | None = None
        self._entries = self._weights()
        narrow = {name: entry for name, entry in self._entries.items() if entry.dtype == safetensors_file.FP8}
        self._scales = {name: self._scales_of(name, entry) for name, entry in narrow.items()}
        if self._block and not narrow:
            raise self.config.refuse("quantization_config", f"no tensor is {safetensors_file.FP8}; {fp8.REMAINS}")

    def table(self, name: str) -> dict:
        """The content of a JSON file that the folder must have."""
        table = self.optional_table(name)
        if table is None:
            raise ConvertError(
                f"{self.path / name}: no such file (expected a Hugging Face folder: config.json, {SINGLE} or "
                f"{INDEX} with its shards, and tokenizer.json)"
            )
        return table

    def optional_table(self, name: str) -> dict | None:
        """The content of a JSON file, or None if the folder has no such file."""
        path = self.path / name
        if not path.is_file():
            return None
        table = read_json(path)
        if not isinstance(table, dict):
            raise ConvertError(f"{path}: expected a JSON object, found {type(table).__name__}")
        self._read.append(path)
        return table

    def _weights(self) -> dict[str, safetensors_file.Entry]:
        """All tensors of the folder by name, from one file or from shards."""
        single = self.path / SINGLE
        if single.is_file():
            self._read.append(single)
            return safetensors_file.entries(single)
        index = self.optional_table(INDEX)
        if index is None and (self.path / BEFORE).is_file():
            self._before = PtFile(self.path / BEFORE)
            self._read.append(self._before.path)
            return {}
        if index is None:
            raise ConvertError(f"{self.path}: no {SINGLE}, {INDEX} or {BEFORE} (other formats: convert them first)")
        where = index.get("weight_map")
        if not isinstance(where, dict) or not all(isinstance(shard, str) for shard in where.values()):
            raise ConvertError(f"{self.path / INDEX}: expected a weight_map from tensors to files")
        table: dict[str, safetensors_file.Entry] = {}
        for shard in sorted(set(where.values())):
            path = self.path / shard
            # The index is untrusted: it must not point outside its folder.
            if Path(shard).name != shard or not path.is_file():
                raise ConvertError(f"{self.path / INDEX}: shard {shard}: no such file in the folder")
            self._read.append(path)
            inside = safetensors_file.entries(path)
            for name in inside:
                if where.get(name) != shard:
                    raise ConvertError(f"{path}: tensor {name}: {INDEX} does not place it in this file")
            table |= inside
        for name, shard in where.items():
            if name not in table:
                raise ConvertError(f"{self.path / shard}: tensor {name}: missing, but {INDEX} names it")
        return table

    def _scales_of(self, name: str, entry: safetensors_file.Entry) -> safetensors_file.Entry:
        """The scales of a matrix of 8-bit floats. They no longer count as a tensor of the model."""
        scales = self._entries.pop(name + fp8.SCALES, None)
        if self._block is None or scales is None or len(entry.shape) != 2:
            what = f"{entry.dtype} without blocks that have scales ({name}{fp8.SCALES})"
            raise ConvertError(f"{entry.path}: tensor {name}: {what}; {fp8.REMAINS}")
        expected = fp8.scales_shape(entry.shape, self._block)
        if scales.shape != expected:
            raise ConvertError(f"{scales.path}: tensor {name}{fp8.SCALES}: shape {scales.shape}, expected {expected}")
        return scales

    def shapes(self) -> dict[str, tuple[int, ...]]:
        if self._before is not None:
            return self._before.shapes()
        return {name: entry.shape for name, entry in self._entries.items()}

    def tensor(self, name: str) -> np.ndarray:
        if self._before is not None:
            return self._before.tensor(name)
        array = safetensors_file.read(name, self._entries[name])
        if name not in self._scales:
            return array
        scales = safetensors_file.read(name + fp8.SCALES, self._scales[name])
        return fp8.widened(array, scales, self._block)

    def files(self) -> list[Path]:
        return sorted(self._read)
