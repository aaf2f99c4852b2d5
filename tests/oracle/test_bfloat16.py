"""Test that the bfloat16 graphs for CUDA, computed with numpy, are about as exact as transformers in bfloat16.

    make test-oracle

The models are random, with random shapes. Their weights are bfloat16 numbers, so that only computed values get rounded.
The error is the root mean square difference of all logits from transformers in float64. For each family, the graphs'
error must be below 1.1 times that of transformers in bfloat16 with scaled-dot-product attention. This proves nothing
about ONNX Runtime's kernels: bfloat16_graph.py models what the kernels round, and does not run them.
"""

import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

import progen  # noqa: F401, for AutoModelForCausalLM
from bfloat16_graph import Graph

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from converter import convert  # noqa: E402
from onnx_model import Model  # noqa: E402
from seeded_models import FAMILIES, draw_config, draw_weights, write_folder  # noqa: E402

SEEDS = range(20)
CHUNKS = [100, 1, 59]
LIMIT = 1.1


def drawn(folder: Path, family: str, seed: int) -> Path:
    """Writes a random model with bfloat16 weights."""
    config = draw_config(family, seed)
    tensors = {name: array.astype(ml_dtypes.bfloat16) for name, array in draw_weights(config, seed).items()}
    return write_folder(folder, config | {"torch_dtype": "bfloat16"}, tensors)


def reference(folder: Path, ids: np.ndarray, dtype: torch.dtype, attention: str) -> np.ndarray:
    """transformers' logits at every position."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation=attention).eval()
    with torch.no_grad():
        return model(torch.from_numpy(ids)[None]).logits[0].double().numpy()


def errors(temp: Path, family: str, seed: int) -> tuple[float, float]:
    """Mean squared differences from float64: (our logits, transformers' logits)."""
    source = drawn(temp / f"source-{seed}", family, seed)
    folder = convert(source, temp / f"model-{seed}", "--device", "cuda")
    model = Model(folder, session=Graph(folder))
    ids = np.random.default_rng(seed).integers(0, model.config["vocab_size"], sum(CHUNKS))
    exact = reference(source, ids, torch.float64, "eager")
    found = (model.chunks(ids, CHUNKS), reference(source, ids, torch.bfloat16, "sdpa"))
    return tuple(((logits.astype(np.float64) - exact) ** 2).mean() for logits in found)


@pytest.mark.parametrize("family", FAMILIES)
def test_roundings_cost_no_more_than_those_of_transformers(family, tmp_path):
    ours, theirs = np.array([errors(tmp_path, family, seed) for seed in SEEDS]).T
    ratio = (ours.mean() / theirs.mean()) ** 0.5
    print(f"{family}: {ours.mean() ** 0.5:.4f}, transformers {theirs.mean() ** 0.5:.4f}, ratio {ratio:.3f}")
    assert 0.5 < ratio < LIMIT
