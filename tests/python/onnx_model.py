"""A converted language model under ONNX Runtime, with the contract of scripts/convert/decoder.py."""

import json
from pathlib import Path

import numpy as np
import onnxruntime


class Model:
    """One model folder."""

    def __init__(self, folder: Path):
        self.config = json.loads((folder / "config.json").read_text())
        self.session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
        self._past = [i.name for i in self.session.get_inputs() if i.name.startswith("past")]

    def __call__(self, ids, positions, rows=(), past=None, mask=None) -> tuple[np.ndarray, list[np.ndarray]]:
        """(logits, present) of one call."""
        ids = np.atleast_2d(np.asarray(ids, np.int64))
        c = self.config
        if past is None:
            empty = np.zeros((len(ids), c["num_key_value_heads"], 0, c["head_dim"]), np.float32)
            past = [empty] * (2 * c["num_hidden_layers"])
        if mask is None:
            mask = np.ones((len(ids), past[0].shape[2] + ids.shape[1]), np.int64)
        feed = {
            "input_ids": ids,
            "attention_mask": mask,
            "positions": np.asarray(positions, np.int64).reshape(len(ids), -1),
            "vocab_ids": np.asarray(rows, np.int64),
        }
        logits, *present = self.session.run(None, feed | dict(zip(self._past, past)))
        return logits, present

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
