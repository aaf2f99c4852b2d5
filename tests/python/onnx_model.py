"""A converted language model under ONNX Runtime, with the contract of scripts/convert/decoder.py."""

import json
from pathlib import Path

import numpy as np
import onnxruntime


class Model:
    """One model folder."""

    def __init__(self, folder: Path, options: onnxruntime.SessionOptions | None = None):
        self.config = json.loads((folder / "config.json").read_text())
        self.session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
        self._past = {i.name: i.shape for i in self.session.get_inputs() if i.name.startswith("past")}
        self._present = [o.name for o in self.session.get_outputs() if o.name.startswith("present")]

    def __call__(self, ids, positions, rows=(), past=None, mask=None) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """(logits, past of the next call) of one call."""
        ids = np.atleast_2d(np.asarray(ids, np.int64))
        past = self._empty(len(ids)) if past is None else past
        if mask is None:
            read = next(value.shape[2] for name, value in past.items() if name.endswith(".key"))
            mask = np.ones((len(ids), read + ids.shape[1]), np.int64)
        feed = {
            "input_ids": ids,
            "attention_mask": np.asarray(mask, np.int64),
            "positions": np.asarray(positions, np.int64).reshape(len(ids), -1),
            "vocab_ids": np.asarray(rows, np.int64),
        }
        logits, *present = self.session.run(["logits", *self._present], feed | past)
        return logits, {self._before(name): value for name, value in zip(self._present, present)}

    def _empty(self, rows: int) -> dict[str, np.ndarray]:
        """The past before the first token: no keys and values, and states of zeros."""
        sizes = {"B": rows, "P": 0}
        return {
            name: np.zeros([sizes.get(size, size) for size in shape], np.float32) for name, shape in self._past.items()
        }

    @staticmethod
    def _before(name: str) -> str:
        """The input that an output is of the next call."""
        name = name.replace("present", "past", 1)
        return name if name.startswith("past_states") else name.replace("past", "past_key_values", 1)

    def whole(self, ids) -> np.ndarray:
        """Logits at every position of one sequence, in one pass: [tokens, vocabulary]."""
        return self(ids, np.arange(len(ids)))[0][0]

    def chunks(self, ids, sizes) -> np.ndarray:
        """The same, read in chunks of these sizes through the cache."""
        assert sum(sizes) == len(ids)
        past, start, parts = None, 0, []
        for size in sizes:
            logits, past = self(ids[start : start + size], np.arange(size), past=past)
            parts.append(logits[0])
            start += size
        return np.concatenate(parts)
