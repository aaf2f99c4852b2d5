"""A Hugging Face folder: config.json, the weights in one safetensors file or in shards, the tokenizer's files."""

from pathlib import Path

import numpy as np

import safetensors_file
from errors import ConvertError
from files import read_json
from hf_config import HfConfig
from source import Source

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"


class HfFolder(Source):
    """One folder as `save_pretrained` writes it or `git clone` of a published model gives it."""

    def __init__(self, path: Path):
        self.path = path
        self._read: list[Path] = []
        self.config = HfConfig(path / "config.json", self.table("config.json"))
        self.architecture = self.config.text("model_type")
        self._entries = self._weights()

    def table(self, name: str) -> dict:
        """A JSON file of the folder that has to be there."""
        table = self.optional_table(name)
        if table is None:
            raise ConvertError(
                f"{self.path / name}: no such file (expected a Hugging Face folder: config.json, {SINGLE} or "
                f"{INDEX} with its shards, and tokenizer.json)"
            )
        return table

    def optional_table(self, name: str) -> dict | None:
        """A JSON file of the folder, or None where it has no such file."""
        path = self.path / name
        if not path.is_file():
            return None
        table = read_json(path)
        if not isinstance(table, dict):
            raise ConvertError(f"{path}: expected a JSON object, found {type(table).__name__}")
        self._read.append(path)
        return table

    def _weights(self) -> dict[str, safetensors_file.Entry]:
        """Every tensor of the folder by name, sharded or not."""
        single = self.path / SINGLE
        if single.is_file():
            self._read.append(single)
            return safetensors_file.entries(single)
        index = self.optional_table(INDEX)
        if index is None:
            raise ConvertError(f"{self.path}: neither {SINGLE} nor {INDEX} (other formats: convert them first)")
        where = index.get("weight_map")
        if not isinstance(where, dict) or not all(isinstance(shard, str) for shard in where.values()):
            raise ConvertError(f"{self.path / INDEX}: expected a weight_map from tensors to files")
        table: dict[str, safetensors_file.Entry] = {}
        for shard in sorted(set(where.values())):
            path = self.path / shard
            # An index comes from outside: it must not lead out of its folder.
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

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: entry.shape for name, entry in self._entries.items()}

    def tensor(self, name: str) -> np.ndarray:
        return safetensors_file.read(name, self._entries[name])

    def files(self) -> list[Path]:
        return sorted(self._read)
