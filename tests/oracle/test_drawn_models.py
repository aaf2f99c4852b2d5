"""Test converted Evo 1 and HyenaDNA models against float64 and the published arithmetic, on random models.

    make test-oracle            (target/venv-oracle, tests/oracle/requirements.txt; target/oracle-stripedhyena)

The error of a run is the largest difference of a logit divided by the largest absolute logit. Against float64, the
error must be below 1e-5. Against PyTorch in float32 (stripedhyena itself for Evo 1), the error must be below 1e-5 plus
PyTorch's own error against float64, which comes from Fourier transforms and powers of poles. The arg-max must agree
wherever PyTorch's two best logits are farther apart than twice the largest difference.
"""

import dataclasses
import sys
from collections import OrderedDict
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "python"))

import evo1_checkpoint  # noqa: E402
import evo1_oracle  # noqa: E402
import evo1_reference  # noqa: E402
import hyenadna_checkpoint  # noqa: E402
import hyenadna_oracle  # noqa: E402
import hyenadna_reference  # noqa: E402
from bfloat16_graph import Graph  # noqa: E402
from converter import convert  # noqa: E402
from drawn_model import Drawn, error  # noqa: E402
from onnx_model import Model  # noqa: E402

TOLERANCE = 1e-5
# For each family: the module of checkpoints, the model in float64, the published arithmetic, and a function that rounds
# matrices to bfloat16 (Evo 1's matrices are bfloat16 already). The published arithmetic takes a configuration, weights
# and a type, and returns a function from rows of tokens to logits.
FAMILIES = {
    "evo1": (
        evo1_checkpoint,
        evo1_reference,
        lambda config, weights, dtype: partial(evo1_oracle.logits, evo1_oracle.build(config, weights, dtype)),
        lambda weights: weights,
    ),
    "hyenadna": (
        hyenadna_checkpoint,
        hyenadna_reference,
        lambda config, weights, dtype: lambda rows: hyenadna_oracle.logits(config, weights, rows, dtype),
        hyenadna_checkpoint.narrowed,
    ),
}
DRAWN = [(family, seed, device) for family in FAMILIES for device, n in (("cpu", 8), ("cuda", 2)) for seed in range(n)]
LENGTHS = (1, 2, 64, 513, 2184)


class Pair(Drawn):
    """One random model: converted, and in the published arithmetic."""

    def __init__(self, temp: Path, family: str, seed: int, device: str):
        checkpoint, reference, published, _ = FAMILIES[family]
        super().__init__(checkpoint, reference, temp, seed)
        self.model = Model(convert(self.source, temp / "model", "--device", device, "--weights", "float32"))
        self.published = published(self.config, self.weights, torch.float32)

    def agree(self, found: np.ndarray, ids: np.ndarray) -> None:
        """Checks logits at the last positions of a sequence."""
        truth = self.truth(ids)[-len(found) :]
        published = self.published([ids])[0, -len(found) :]
        assert error(found, truth) < TOLERANCE
        assert error(found, published) < TOLERANCE + error(published, truth)
        difference = np.abs(found - published).max()
        best = np.sort(published, -1)
        clear = best[..., -1] - best[..., -2] > 2 * difference
        assert clear.any()
        np.testing.assert_array_equal(found.argmax(-1)[clear], published.argmax(-1)[clear])


@pytest.fixture(scope="module", params=DRAWN, ids=lambda p: "-".join(map(str, p)))
def pair(request, tmp_path_factory) -> Pair:
    return Pair(tmp_path_factory.mktemp("drawn"), *request.param)


@pytest.mark.parametrize("length", LENGTHS)
def test_a_whole_sequence(pair, length):
    ids = pair.tokens(length)
    pair.agree(pair.model.whole(ids), ids)


@pytest.mark.parametrize("sizes", [(64, 1, 200, 300, 135), (500, *[1] * 100), (1, 699)], ids=lambda s: str(s[:5]))
def test_chunks_through_what_is_kept(pair, sizes):
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


@pytest.mark.parametrize("family", FAMILIES)
def test_the_bfloat16_graph_is_no_less_exact_than_the_published_code_in_bfloat16(family, tmp_path):
    """Compares root mean square errors against float64. numpy computes the graph for CUDA (bfloat16_graph.py)."""
    checkpoint, reference, published, narrowed = FAMILIES[family]
    ours, theirs = [], []
    for seed in range(1, 25):
        config, folder = checkpoint.drawn(seed), tmp_path / str(seed)
        weights, ids = narrowed(checkpoint.tensors(config, seed)), checkpoint.bases(seed, 200)
        folder.mkdir()
        converted = convert(checkpoint.write(folder / "source", config, weights), folder / "model", "--device", "cuda")
        model = Model(converted, session=Graph(converted))
        truth = reference.logits(config, weights, ids)
        off = lambda logits: np.sqrt(np.square(logits - truth).mean() / np.square(truth).mean())
        ours.append([off(model.chunks(ids, sizes)) for sizes in ([200], [130, 1, 69])])
        theirs.append(off(published(config, weights, torch.bfloat16)([ids])[0]))
    whole, chunks = np.sqrt(np.square(ours).mean(0))
    theirs = np.sqrt(np.square(theirs).mean())
    print(f"{family}: {whole:.4f} whole, {chunks:.4f} in chunks, the published code {theirs:.4f}")
    assert max(whole, chunks) < 1.1 * theirs


def test_hyenadna_as_pytorch_saves_a_training_of_it(tmp_path):
    """The folder of the first release, with a checkpoint by torch.save that has states of optimiser and counters."""
    config = dataclasses.replace(hyenadna_checkpoint.drawn(4), tied=True, every=True)
    weights = hyenadna_checkpoint.tensors(config, 4)
    expected = convert(hyenadna_checkpoint.write(tmp_path / "hf", config, weights), tmp_path / "expected")
    source = hyenadna_checkpoint.write_first(tmp_path / "first", config, weights)
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(3)).sum().backward()
    optimizer.step()
    own = {hyenadna_checkpoint.first_name(name): torch.from_numpy(array) for name, array in weights.items()}
    rest = {"epoch": 2, "optimizer_states": [optimizer.state_dict()], "device": torch.device("cpu"), "type": torch.float16}
    counter = {"train_torchmetrics.steps": torch.tensor(3), "half": torch.ones(2, dtype=torch.float16)}
    torch.save({"state_dict": OrderedDict(own | counter), **rest}, source / "weights.ckpt")
    found = convert(source, tmp_path / "found")
    assert (found / "model.onnx.data").read_bytes() == (expected / "model.onnx.data").read_bytes()
