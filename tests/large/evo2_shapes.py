"""Write checkpoints with the shapes of Evo 2 models and random weights, as published: parts of a .pt file, bfloat16."""

import sys
from itertools import cycle, islice
from pathlib import Path

import ml_dtypes
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "oracle"))

import evo2_checkpoint  # noqa: E402

# The kinds of layers in order. A model repeats them.
KINDS = ("short", "medium", "long", "attention", "short", "medium", "long")


def kinds(layers: int) -> tuple[str, ...]:
    return tuple(islice(cycle(KINDS), layers))


# The sizes are from evo2/configs/evo2-1b-8k.yml and evo2-7b-1m.yml of the PyPI package evo2 0.6.0.
SHAPES = {
    "evo2_1b_base": evo2_checkpoint.Config(
        kinds=kinds(25), width=1920, heads=15, hidden=5120, groups=128, taps=7, long_taps=128
    ),
    "evo2_7b": evo2_checkpoint.Config(
        kinds=kinds(32), width=4096, heads=32, hidden=11264, groups=256, taps=7, long_taps=128, scaling=128
    ),
}


def layer_weights(config: evo2_checkpoint.Config) -> int:
    """The number of weights that a token is multiplied with, without the filters (2 % more)."""
    return len(config.kinds) * (4 * config.width**2 + 3 * config.width * config.hidden)


def write(folder: Path, name: str, config: evo2_checkpoint.Config, parts: int = 1) -> Path:
    """Writes the checkpoint in parts into a new folder. Returns the path to convert; its name tells the model."""
    folder.mkdir()
    return evo2_checkpoint.write(folder / f"{name}.pt", evo2_checkpoint.tensors(config, 1, pooled(1)), parts)


def pooled(seed: int):
    """A function that makes matrices. Matrices of equally many columns are windows into one block of random numbers."""
    rng, pools = np.random.default_rng(seed), {}

    def matrix(rows: int, columns: int) -> np.ndarray:
        if columns not in pools or pools[columns].size <= rows * columns:
            size = max(12_000_000, rows * columns * 9 // 8)
            pools[columns] = rng.normal(0, columns**-0.5, size).astype(ml_dtypes.bfloat16)
        start = int(rng.integers(0, pools[columns].size - rows * columns))
        return pools[columns][start : start + rows * columns].reshape(rows, columns)

    return matrix
