"""Models drawn from a seed, and the same models in plain float64, which give the expected values.

Each family has two modules in tests/oracle: its checkpoints (`drawn`, `tensors`, `write`, `bases`) and its `logits`.
"""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np

from converter import refused
from filters import filtered, infer


class Drawn:
    """A drawn model: its folder, its weights, its expected logits."""

    def __init__(self, checkpoint: ModuleType, reference: ModuleType, temp: Path, seed: int, config=None):
        self.checkpoint, self.reference, self.seed = checkpoint, reference, seed
        self.config = config or checkpoint.drawn(seed)
        self.weights = checkpoint.tensors(self.config, seed)
        self.source = checkpoint.write(temp / "source", self.config, self.weights)

    def tokens(self, length: int, row: int = 0) -> np.ndarray:
        return self.checkpoint.bases(self.seed + 100 * row, length)

    def truth(self, ids) -> np.ndarray:
        return self.reference.logits(self.config, self.weights, ids)


def error(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference, relative to the largest expected absolute value."""
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def stacked(pasts: list[dict]) -> dict:
    """Joins the pasts of rows that were read alone. Each cache gets room for the longest row."""
    room = max(value.shape[2] for past in pasts for name, value in past.items() if name.endswith(".key"))

    def roomy(name: str, value: np.ndarray) -> np.ndarray:
        missing = 0 if name.startswith("past_states") else room - value.shape[2]
        return np.pad(value, [(0, 0), (0, 0), (0, missing), (0, 0)][: value.ndim], constant_values=1e3)

    return {name: np.concatenate([roomy(name, past[name]) for past in pasts]) for name in pasts[0]}


def encoded(alphabet: str, *draw: str) -> str:
    return filtered("encode", "--alphabet", alphabet, text=filtered("gen-tasks", *draw))


def genomic_prompts() -> str:
    """Independent and nested prompts, several of each length."""
    draw = "--task rotl1 --task flip_bits --task identity --bits 6 --trials 2 --seed 5".split()
    designs = (("--shots", "1,4"), ("--shots", "1,2,4,8", "--design", "nested"))
    return "".join(encoded("genomic", *draw, *how) for how in designs)


def answers_are(folder: Path, continued: Callable[[str, int], str]) -> None:
    """Checks infer's answers against `continued`, which continues a text by a number of symbols. Covers both methods,
    rows alone and in batches, chunked prefill, independent and nested prompts."""
    prompts, expected = genomic_prompts(), []
    for prompt in map(json.loads, prompts.splitlines()):
        whole = prompt["prompt"] + prompt["answer"]
        starts = [(prompt["shots"], len(prompt["prompt"]))]
        if prompt["design"] == "nested":
            starts = zip(prompt["eval_shots"], prompt["answer_starts"])
        for shots, start in starts:
            expected.append((prompt["function"], shots, continued(whole[:start], prompt["bits"])))
    for options in ((), ("--batch-tokens", "64"), ("--prefill-chunk", "20"), ("--batch-tokens", "4096")):
        for method in ("score", "generate"):
            done = infer(folder, prompts, "--method", method, *options)
            assert done.returncode == 0, done.stderr
            found = [json.loads(line) for line in done.stdout.splitlines()]
            assert [(row["function"], row["shots"], row["output"]) for row in found] == expected, (method, options)
            # Caches are updated in place; a runtime that copied them would report it.
            assert "TensorScatter" not in done.stderr


def spoilt(
    checkpoint: ModuleType, config, temp: Path, *words: str, change=lambda weights: None, options=(), **keys
) -> None:
    """A folder with changed weights or keys is refused with these words."""
    weights = checkpoint.tensors(config, 0)
    change(weights)
    refused(temp, checkpoint.write(temp / "source", config, weights, **keys), "source", *words, options=options)
