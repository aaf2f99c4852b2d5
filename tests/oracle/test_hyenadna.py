"""HyenaDNA against the model in float64 and against its published arithmetic, on random models of random shapes.

    make test-oracle            (target/venv-oracle, tests/oracle/requirements.txt)

The error of a run is the largest difference of a logit divided by the largest absolute logit: below 1e-5 against
float64, and against PyTorch in float32, below that and what PyTorch's Fourier transforms are off themselves. The
arg-max must agree wherever the reference's two best logits are farther apart than twice the largest difference.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "python"))

import hyenadna_checkpoint  # noqa: E402
import hyenadna_oracle  # noqa: E402
import hyenadna_reference  # noqa: E402
from bfloat16_graph import Graph  # noqa: E402
from converter import convert  # noqa: E402
from onnx_model import Model  # noqa: E402

TOLERANCE = 1e-5
SEEDS = [(seed, "cpu") for seed in range(8)] + [(seed, "cuda") for seed in range(2)]
LENGTHS = (1, 2, 64, 513, 2184)


class Pair:
    """One drawn model, converted and as it was drawn."""

    def __init__(self, temp: Path, seed: int, device: str):
        self.config, self.seed = hyenadna_checkpoint.drawn(seed), seed
        self.weights = hyenadna_checkpoint.tensors(self.config, seed)
        source = hyenadna_checkpoint.write(temp / "source", self.config, self.weights)
        self.model = Model(convert(source, temp / "model", "--device", device, "--weights", "float32"))

    def tokens(self, length: int, row: int = 0) -> np.ndarray:
        return hyenadna_checkpoint.bases(self.seed + 100 * row, length)

    def agree(self, found: np.ndarray, ids: np.ndarray) -> None:
        """Logits at the last places of a sequence."""
        truth = hyenadna_reference.logits(self.config, self.weights, ids)[-len(found) :]
        published = hyenadna_oracle.logits(self.config, self.weights, [ids])[0, -len(found) :]
        assert error(found, truth) < TOLERANCE
        assert error(found, published) < TOLERANCE + error(published, truth)
        difference = np.abs(found - published).max()
        best = np.sort(published, -1)
        clear = best[..., -1] - best[..., -2] > 2 * difference
        assert clear.any()
        np.testing.assert_array_equal(found.argmax(-1)[clear], published.argmax(-1)[clear])


@pytest.fixture(scope="module", params=SEEDS, ids=lambda p: "-".join(map(str, p)))
def pair(request, tmp_path_factory) -> Pair:
    return Pair(tmp_path_factory.mktemp("hyenadna"), *request.param)


def error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("length", LENGTHS)
def test_a_whole_sequence(pair, length):
    ids = pair.tokens(length)
    pair.agree(pair.model.whole(ids), ids)


@pytest.mark.parametrize("sizes", [(64, 1, 200, 300, 135), (500, *[1] * 100), (1, 699)], ids=lambda s: str(s[:5]))
def test_chunks_through_the_cache(pair, sizes):
    ids = pair.tokens(sum(sizes))
    pair.agree(pair.model.chunks(ids, sizes), ids)


def test_rows_read_together_and_their_next_tokens(pair):
    rows = [pair.tokens(133, row) for row in range(4)]
    answers, past = pair.model([ids[:130] for ids in rows], np.tile(np.arange(130), (len(rows), 1)))
    for row, ids in enumerate(rows):
        pair.agree(answers["chosen"][row], ids[:130])
    for place in range(130, 133):
        answers, past = pair.model([[ids[place]] for ids in rows], np.zeros((len(rows), 1)), past=past, read=place)
        for row, ids in enumerate(rows):
            pair.agree(answers["chosen"][row], ids[: place + 1])


def test_the_bfloat16_graph_is_no_less_exact_than_the_published_code_in_bfloat16(tmp_path):
    """The graph for CUDA, computed with numpy (bfloat16_graph.py), against the model in float64: root mean squares."""
    ours, theirs = [], []
    for seed in range(1, 25):
        config, folder = hyenadna_checkpoint.drawn(seed), tmp_path / str(seed)
        weights = hyenadna_checkpoint.narrowed(hyenadna_checkpoint.tensors(config, seed))
        ids = hyenadna_checkpoint.bases(seed, 200)
        folder.mkdir()
        source = hyenadna_checkpoint.write(folder / "source", config, weights)
        converted = convert(source, folder / "model", "--device", "cuda")
        model = Model(converted, session=Graph(converted))
        truth = hyenadna_reference.logits(config, weights, ids)
        off = lambda logits: np.sqrt(np.square(logits - truth).mean() / np.square(truth).mean())
        ours.append([off(model.chunks(ids, sizes)) for sizes in ([200], [130, 1, 69])])
        theirs.append(off(hyenadna_oracle.logits(config, weights, [ids], torch.bfloat16)[0]))
    whole, chunks = np.sqrt(np.square(ours).mean(0))
    theirs = np.sqrt(np.square(theirs).mean())
    print(f"{whole:.4f} whole, {chunks:.4f} in chunks, the published code {theirs:.4f}")
    assert max(whole, chunks) < 1.1 * theirs
