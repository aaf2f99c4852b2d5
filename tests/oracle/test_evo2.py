"""Test converted Evo 2 models against vortex in float32, on random models of random shapes.

    make test-oracle            (target/venv-oracle, tests/oracle/requirements.txt)

The error of a run is the largest difference of a logit divided by the largest absolute logit. Against the model in
plain float64, the error must be below 2e-5. Fourier transforms give vortex itself an error of up to 4e-5 at 2184
tokens. So against vortex, the error must be below 2e-5 plus vortex's own error. The arg-max must agree wherever
vortex's two best logits are farther apart than twice the largest difference.
"""

import io
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "python"), str(ROOT / "scripts" / "convert")]

import evo2_checkpoint  # noqa: E402
import evo2_oracle  # noqa: E402
import evo2_reference  # noqa: E402
from bfloat16_graph import Graph  # noqa: E402
from converter import convert  # noqa: E402
from onnx_model import Model  # noqa: E402
from pt_file import PtFile  # noqa: E402

TOLERANCE = 2e-5
SEEDS = range(1, 11)
LENGTHS = (1, 2, 64, 513, 2184)


class Pair:
    """One random model: converted, and in vortex."""

    def __init__(self, folder: Path, seed: int):
        self.config, self.seed = evo2_checkpoint.drawn(seed), seed
        self.weights = evo2_checkpoint.tensors(self.config, seed)
        source = evo2_checkpoint.write(folder / "m.pt", self.weights, parts=1 + seed % 3)
        options = ("--rope-scaling", str(self.config.scaling), "--max-positions", "4096")
        self.model = Model(convert(source, folder / "model", *options))
        self.vortex = evo2_oracle.build(self.config, self.weights)

    def tokens(self, length: int, row: int = 0) -> np.ndarray:
        return evo2_checkpoint.bases(self.seed + 100 * row, length)

    def expected(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(vortex's logits, the logits in float64)"""
        return evo2_oracle.logits(self.vortex, [ids])[0], evo2_reference.logits(self.config, self.weights, ids)


@pytest.fixture(scope="module", params=SEEDS)
def pair(request, tmp_path_factory) -> Pair:
    return Pair(tmp_path_factory.mktemp("evo2"), request.param)


def error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def agree(logits: np.ndarray, vortex: np.ndarray, truth: np.ndarray) -> None:
    assert logits.shape == vortex.shape
    assert error(logits, truth) < TOLERANCE
    assert error(logits, vortex) < TOLERANCE + error(vortex, truth)
    difference = np.abs(logits - vortex).max()
    best = np.sort(vortex, -1)
    clear = best[..., -1] - best[..., -2] > 2 * difference
    assert clear.any()
    np.testing.assert_array_equal(logits.argmax(-1)[clear], vortex.argmax(-1)[clear])


@pytest.mark.parametrize("length", LENGTHS)
def test_a_whole_sequence(pair, length):
    ids = pair.tokens(length)
    agree(pair.model.whole(ids), *pair.expected(ids))


@pytest.mark.parametrize("sizes", [(64, 1, 200, 300, 135), (500, *[1] * 200), (1, 699)], ids=lambda s: str(s[:5]))
def test_chunks_through_the_states(pair, sizes):
    ids = pair.tokens(sum(sizes))
    agree(pair.model.chunks(ids, sizes), *pair.expected(ids))


def test_decoding_from_the_first_token(pair):
    ids = pair.tokens(150)
    agree(pair.model.chunks(ids, [1] * 150), *pair.expected(ids))


def test_rows_read_together_and_their_next_tokens(pair):
    rows = [pair.tokens(133, row) for row in range(4)]
    expected = [pair.expected(ids) for ids in rows]
    answers, past = pair.model([ids[:130] for ids in rows], np.tile(np.arange(130), (len(rows), 1)))
    for row, values in enumerate(expected):
        agree(answers["chosen"][row], *(value[:130] for value in values))
    for place in range(130, 133):
        answers, past = pair.model([[ids[place]] for ids in rows], np.zeros((len(rows), 1)), past=past, read=place)
        for row, values in enumerate(expected):
            agree(answers["chosen"][row], *(value[place][None] for value in values))


def test_the_bfloat16_graph_is_no_less_exact_than_vortex_in_bfloat16(tmp_path):
    """Compares root mean square errors against float64. numpy computes the graph for CUDA (bfloat16_graph.py)."""
    ours, theirs = [], []
    for seed in range(1, 25):
        config, folder = evo2_checkpoint.drawn(seed), tmp_path / str(seed)
        weights, ids = evo2_checkpoint.tensors(config, seed), evo2_checkpoint.bases(seed, 200)
        folder.mkdir()
        source = evo2_checkpoint.write(folder / "m.pt", weights)
        options = ("--rope-scaling", str(config.scaling), "--max-positions", "4096", "--device", "cuda")
        folder = convert(source, folder / "model", *options)
        model = Model(folder, session=Graph(folder))
        truth = evo2_reference.logits(config, weights, ids)
        relative = lambda logits: np.sqrt(np.square(logits - truth).mean() / np.square(truth).mean())
        vortex = evo2_oracle.build(config, weights, torch.bfloat16)
        ours.append([relative(model.chunks(ids, sizes)) for sizes in ([200], [130, 1, 69])])
        theirs.append(relative(evo2_oracle.logits(vortex, [ids])[0]))
    whole, chunks = np.sqrt(np.square(ours).mean(0))
    assert max(whole, chunks) < 1.1 * np.sqrt(np.square(theirs).mean())


def test_what_pytorch_saves_is_what_is_read(tmp_path):
    """Reads a file of the real torch.save, with an entry such as Transformer Engine adds to a state dict."""
    table = evo2_checkpoint.tensors(evo2_checkpoint.drawn(1), 1)

    def as_torch(array: np.ndarray) -> torch.Tensor:
        if array.dtype == ml_dtypes.bfloat16:
            return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
        return torch.from_numpy(array)

    state = {name: as_torch(array) for name, array in table.items()}
    state["blocks.0.projections._extra_state"] = io.BytesIO(b"scales \x80\xff")
    torch.save(state, tmp_path / "m.pt")
    source = PtFile(tmp_path / "m.pt")
    assert set(source.shapes()) == set(table)
    for name, array in table.items():
        np.testing.assert_array_equal(source.tensor(name).view(np.uint8), array.view(np.uint8))


def test_what_is_written_here_is_what_pytorch_reads(tmp_path):
    table = evo2_checkpoint.tensors(evo2_checkpoint.drawn(2), 2)
    state = torch.load(evo2_checkpoint.write(tmp_path / "m.pt", table), weights_only=True)
    assert set(state) == set(table)
    for name, array in table.items():
        np.testing.assert_array_equal(state[name].float().numpy(), array.astype(np.float32))
