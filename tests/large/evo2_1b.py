"""A checkpoint with the shape of Evo 2 1B and random weights, in the published layout: parts of a .pt, bfloat16."""

import sys
from pathlib import Path

import ml_dtypes
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "oracle"))

import evo2_checkpoint  # noqa: E402

# evo2/configs/evo2-1b-8k.yml of the PyPI package evo2 0.6.0.
LAYERS = {
    "attention": (3, 10, 17, 24),
    "long": (2, 6, 9, 13, 16, 20, 23),
    "medium": (1, 5, 8, 12, 15, 19, 22),
    "short": (0, 4, 7, 11, 14, 18, 21),
}
CONFIG = evo2_checkpoint.Config(
    kinds=tuple(next(kind for kind, numbers in LAYERS.items() if layer in numbers) for layer in range(25)),
    width=1920,
    heads=15,
    hidden=5120,
    groups=128,
    taps=7,
    long_taps=128,
)
LARGEST_TENSOR_BYTES = 2 * CONFIG.hidden * CONFIG.width
# What a token is multiplied with; filters are 2 % on top.
LAYER_WEIGHTS = len(CONFIG.kinds) * (4 * CONFIG.width**2 + 3 * CONFIG.width * CONFIG.hidden)


def write(folder: Path) -> Path:
    """The checkpoint's parts in a new folder; the name to convert them by, which tells the model."""
    folder.mkdir()
    weights = evo2_checkpoint.tensors(CONFIG, 1, pooled(1))
    return evo2_checkpoint.write(folder / "evo2_1b_base.pt", weights, parts=2)


def pooled(seed: int):
    """Matrices that are windows into one block of random numbers for each number of columns."""
    rng, pools = np.random.default_rng(seed), {}

    def matrix(rows: int, columns: int) -> np.ndarray:
        if columns not in pools:
            pools[columns] = rng.normal(0, columns**-0.5, 12_000_000).astype(ml_dtypes.bfloat16)
        start = int(rng.integers(0, pools[columns].size - rows * columns))
        return pools[columns][start : start + rows * columns].reshape(rows, columns)

    return matrix
