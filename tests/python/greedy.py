"""Runs the filters on prompts of a few tokens, and greedy decoding with ONNX Runtime for comparison."""

import json
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime

from converter import ROOT
from filters import filtered

TINY = ROOT / "tests" / "fixtures" / "models" / "tiny-hf"
TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class Greedy:
    """Greedy decoding as in any runtime: one call for the whole prompt, then one call per token."""

    def __init__(self, folder: Path):
        self.session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
        self.config = json.loads((folder / "config.json").read_text())
        past = [i for i in self.session.get_inputs() if i.name.startswith("past")]
        self.past, self.dtype = [i.name for i in past], TYPES[past[0].type]
        vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
        # In a byte-level vocabulary, printable characters stand for themselves.
        self.ids = vocabulary | {"\n": vocabulary["\u010a"], " ": vocabulary["\u0120"]}
        self.symbols = {id: token for token, id in self.ids.items()}

    def call(self, ids: list[int], cache: list | None) -> tuple[np.ndarray, list]:
        empty = np.zeros((1, self.config["num_key_value_heads"], 0, self.config["head_dim"]), self.dtype)
        cache = cache or [empty] * len(self.past)
        read = cache[0].shape[2]
        feed = {
            "input_ids": np.array([ids], np.int64),
            "attention_mask": np.ones((1, read + len(ids)), np.int64),
            "position_ids": np.arange(read, read + len(ids), dtype=np.int64)[None],
        }
        logits, *cache = self.session.run(None, feed | dict(zip(self.past, cache)))
        return logits[0], cache

    def answer(self, prompt: str, symbols: int) -> str:
        ids, cache, text = [self.ids[symbol] for symbol in prompt], None, ""
        for _ in range(symbols):
            logits, cache = self.call(ids, cache)
            ids = [int(logits[-1].argmax())]
            if ids == [self.config["eos_token_id"]]:
                break
            text += self.symbols[ids[0]]
        return text


def prompts(*trials) -> str:
    drawn = filtered("gen-tasks", "--suite", "primitives", "--bits", 4, "--trials", 1, *trials)
    return filtered("encode", "--alphabet", "linguistic", "--template", "{x}>{y}\\n", text=drawn)


def refused(done: subprocess.CompletedProcess, code: int, *words: str) -> None:
    message = done.stderr.splitlines()[-1]
    assert (done.returncode, done.stdout) == (code, ""), message
    for word in words:
        assert word in message
