"""A converted model in ONNX Runtime, called as scripts/convert/decoder.py defines."""

import json
from pathlib import Path

import ml_dtypes
import numpy as np
import onnxruntime

TYPES = {"tensor(float)": np.float32, "tensor(bfloat16)": ml_dtypes.bfloat16}
ANSWERS = ("best", "top", "log_sum", "chosen")


class Model:
    """One model folder, run by ONNX Runtime or by an object with the same interface as its session."""

    def __init__(self, folder: Path, options: onnxruntime.SessionOptions | None = None, session=None):
        self.config = json.loads((folder / "config.json").read_text())
        self.session = session or onnxruntime.InferenceSession(
            folder / "model.onnx", options, providers=["CPUExecutionProvider"]
        )
        inputs = [i for i in self.session.get_inputs() if i.name.startswith("past")]
        self._past = {i.name: (i.shape, TYPES[i.type]) for i in inputs}
        self._present = [o.name for o in self.session.get_outputs() if o.name.startswith("present")]

    def __call__(self, ids, positions, choices=None, past=None, read=0) -> tuple[dict, dict]:
        """One call. Returns (answers, past of the next call). `read`: tokens read before, per row or for all rows.

        Without `choices`, they are the whole vocabulary, so `chosen` holds all logits.
        """
        ids = np.atleast_2d(np.asarray(ids, np.int64))
        rows = len(ids)
        positions = np.asarray(positions, np.int64).reshape(rows, -1)
        if choices is None:
            choices = np.arange(self.config["vocab_size"])
        read = np.broadcast_to(np.asarray(read, np.int32), rows) + np.int32(ids.shape[1])
        feed = {
            "input_ids": ids,
            "seqlens_k": read - np.int32(1),
            "total_sequence_length": read.max(keepdims=True),
            "positions": positions,
            "choices": np.broadcast_to(np.asarray(choices, np.int64), (*positions.shape, np.shape(choices)[-1])),
        }
        feed |= {name: self._room(name, past or {}, rows, read.max()) for name in self._past}
        answers = self.session.run([*ANSWERS, *self._present], feed)
        present = dict(zip(map(self._before, self._present), answers[len(ANSWERS) :]))
        return dict(zip(ANSWERS, answers)), present

    def _room(self, name: str, past: dict, rows: int, total: int) -> np.ndarray:
        """The past of this name as a cache with room for `total` tokens. Values after the read ones must not matter."""
        sizes, (shape, dtype) = {"B": rows, "P": 0}, self._past[name]
        found = past.get(name, np.zeros([sizes.get(size, size) for size in shape], dtype))
        missing = total - found.shape[2]
        if name.startswith("past_states") or missing <= 0:
            return found
        return np.concatenate([found, np.full((*found.shape[:2], missing, found.shape[3]), 1e3, dtype)], 2)

    @staticmethod
    def _before(name: str) -> str:
        """The input name of the next call for an output name."""
        name = name.replace("present", "past", 1)
        return name if name.startswith("past_states") else name.replace("past", "past_key_values", 1)

    def whole(self, ids) -> np.ndarray:
        """Logits at every position of one sequence, from one pass: [tokens, vocabulary]."""
        return self(ids, np.arange(len(ids)))[0]["chosen"][0]

    def chunks(self, ids, sizes) -> np.ndarray:
        """The same logits, read through the cache in chunks of these sizes."""
        assert sum(sizes) == len(ids)
        past, start, parts = None, 0, []
        for size in sizes:
            answers, past = self(ids[start : start + size], np.arange(size), past=past, read=start)
            parts.append(answers["chosen"][0])
            start += size
        return np.concatenate(parts)
