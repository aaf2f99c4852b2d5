"""Evo 1 against the model in float64 and against stripedhyena in float32, on random models of random shapes.

    make test-oracle            (target/venv-oracle, tests/oracle/requirements.txt; target/oracle-stripedhyena)

The error of a run is the largest difference of a logit divided by the largest absolute logit: below 1e-5 against
float64, and against stripedhyena below that and what its Fourier transforms and its powers of poles, in float32, are
off themselves. The arg-max must agree wherever its two best logits are farther apart than twice the largest difference.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "python"))

import evo1_checkpoint  # noqa: E402
import evo1_oracle  # noqa: E402
import evo1_reference  # noqa: E402
from bfloat16_graph import Graph  # noqa: E402
from converter import convert  # noqa: E402
from onnx_model import Model  # noqa: E402

TOLERANCE = 1e-5
SEEDS = [(seed, "cpu") for seed in range(8)] + [(seed, "cuda") for seed in range(2)]
LENGTHS = (1, 2, 64, 513, 2184)


class Pair:
    """One drawn model, converted and in stripedhyena."""

    def __init__(self, temp: Path, seed: int, device: str):
        self.config, self.seed = evo1_checkpoint.drawn(seed), seed
        self.weights = evo1_checkpoint.tensors(self.config, seed)
        source = evo1_checkpoint.write(temp / "source", self.config, self.weights)
        self.model = Model(convert(source, temp / "model", "--device", device, "--weights", "float32"))
        self.reference = evo1_oracle.build(self.config, self.weights)

    def tokens(self, length: int, row: int = 0) -> np.ndarray:
        return evo1_checkpoint.bases(self.seed + 100 * row, length)

    def agree(self, found: np.ndarray, ids: np.ndarray) -> None:
        """Logits at the last places of a sequence."""
        truth = evo1_reference.logits(self.config, self.weights, ids)[-len(found) :]
        theirs = evo1_oracle.logits(self.reference, [ids])[0, -len(found) :]
        assert error(found, truth) < TOLERANCE
        assert error(found, theirs) < TOLERANCE + error(theirs, truth)
        difference = np.abs(found - theirs).max()
        best = np.sort(theirs, -1)
        clear = best[..., -1] - best[..., -2] > 2 * difference
        assert clear.any()
        np.testing.assert_array_equal(found.argmax(-1)[clear], theirs.argmax(-1)[clear])


@pytest.fixture(scope="module", params=SEEDS, ids=lambda p: "-".join(map(str, p)))
def pair(request, tmp_path_factory) -> Pair:
    return Pair(tmp_path_factory.mktemp("evo1"), *request.param)


def error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("length", LENGTHS)
def test_a_whole_sequence(pair, length):
    ids = pair.tokens(length)
    pair.agree(pair.model.whole(ids), ids)


@pytest.mark.parametrize("sizes", [(64, 1, 200, 300, 135), (500, *[1] * 100), (1, 699)], ids=lambda s: str(s[:5]))
def test_chunks_through_the_states(pair, sizes):
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


def test_the_bfloat16_graph_is_no_less_exact_than_stripedhyena_in_bfloat16(tmp_path):
    """The graph for CUDA, computed with numpy (bfloat16_graph.py), against the model in float64: root mean squares."""
    ours, theirs = [], []
    for seed in range(1, 25):
        config, folder = evo1_checkpoint.drawn(seed), tmp_path / str(seed)
        weights, ids = evo1_checkpoint.tensors(config, seed), evo1_checkpoint.bases(seed, 200)
        folder.mkdir()
        source = evo1_checkpoint.write(folder / "source", config, weights)
        converted = convert(source, folder / "model", "--device", "cuda")
        model = Model(converted, session=Graph(converted))
        truth = evo1_reference.logits(config, weights, ids)
        off = lambda logits: np.sqrt(np.square(logits - truth).mean() / np.square(truth).mean())
        ours.append([off(model.chunks(ids, sizes)) for sizes in ([200], [130, 1, 69])])
        theirs.append(off(evo1_oracle.logits(evo1_oracle.build(config, weights, torch.bfloat16), [ids])[0]))
    whole, chunks = np.sqrt(np.square(ours).mean(0))
    theirs = np.sqrt(np.square(theirs).mean())
    print(f"{whole:.4f} whole, {chunks:.4f} in chunks, stripedhyena {theirs:.4f}")
    assert max(whole, chunks) < 1.1 * theirs
