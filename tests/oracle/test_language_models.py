"""Test converted language models of every family against transformers in float32, on random models of random shapes.

    make test-oracle            (target/venv-oracle, tests/oracle/requirements.txt; about 8 minutes on two cores)

transformers reads the same folder that scripts/convert converts. The error of a run is the largest difference of a
logit divided by the largest absolute logit of the reference. The error must be below 1e-5. The arg-max must agree
wherever the reference's two best logits are farther apart than twice the largest difference.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "python"))

from converter import convert  # noqa: E402
from onnx_model import Model  # noqa: E402
import progen  # noqa: E402, F401, for AutoModelForCausalLM
from seeded_models import FAMILIES, draw_config, write_seeded  # noqa: E402

SEEDS = range(6)
TOLERANCE = 1e-5
LENGTHS = (1, 64, 513, 2184)


class Reference:
    """A model in transformers, in float32."""

    def __init__(self, folder: Path):
        self.model = AutoModelForCausalLM.from_pretrained(
            folder, torch_dtype=torch.float32, attn_implementation="eager"
        ).eval()

    def __call__(self, ids: np.ndarray) -> np.ndarray:
        """Logits at every position of one sequence."""
        with torch.no_grad():
            return self.model(torch.from_numpy(ids)[None]).logits[0].numpy()

    def round_matrices(self, dtype: torch.dtype) -> None:
        with torch.no_grad():
            for parameter in self.model.parameters():
                if parameter.ndim == 2:
                    parameter.copy_(parameter.to(dtype).float())


# The float32 graph for CUDA has other operators for attention. On the CPU, it must give the same logits.
MODELS = [(f, s, "cpu") for f in FAMILIES for s in SEEDS] + [(f, s, "cuda") for f in FAMILIES for s in SEEDS[:2]]


@pytest.fixture(scope="module", params=MODELS, ids=lambda p: "-".join(map(str, p)))
def pair(request, tmp_path_factory):
    """(converted model, reference, random generator for token ids)"""
    family, seed, device = request.param
    temp = tmp_path_factory.mktemp(family)
    # The number of shards must make no difference.
    write_seeded(temp / "source", family, seed, shards=1 + seed % 3)
    model = Model(convert(temp / "source", temp / "model", "--device", device, "--weights", "float32"))
    return model, Reference(temp / "source"), np.random.default_rng(seed)


def tokens(model: Model, rng: np.random.Generator, length: int) -> np.ndarray:
    return rng.integers(0, model.config["vocab_size"], length)


def agree(logits: np.ndarray, reference: np.ndarray) -> None:
    assert logits.shape == reference.shape
    difference = np.abs(logits - reference).max()
    assert difference / np.abs(reference).max() < TOLERANCE
    best = np.sort(reference, -1)
    clear = best[..., -1] - best[..., -2] > 2 * difference
    assert clear.any()
    np.testing.assert_array_equal(logits.argmax(-1)[clear], reference.argmax(-1)[clear])


@pytest.mark.parametrize("length", LENGTHS)
def test_a_whole_sequence(pair, length):
    model, reference, rng = pair
    ids = tokens(model, rng, length)
    agree(model.whole(ids), reference(ids))


@pytest.mark.parametrize("sizes", [(64, 1, 200, 300), (1, 564), (564, 1)], ids=str)
def test_chunks_through_the_cache(pair, sizes):
    model, reference, rng = pair
    ids = tokens(model, rng, sum(sizes))
    agree(model.chunks(ids, sizes), reference(ids))


def test_decoding_step_by_step(pair):
    model, reference, rng = pair
    ids = tokens(model, rng, 150)
    agree(model.chunks(ids, [110] + [1] * 40), reference(ids))


def test_rows_that_have_read_unequally_much_go_on_together(pair):
    model, reference, rng = pair
    lengths = [37, 5, 120, 1]
    rows = [tokens(model, rng, length + 1) for length in lengths]
    # All caches are padded to the length of the longest one. The values after a row's own tokens must not matter.
    pasts = [model(row[:-1], [0], [[[0]]])[1] for row in rows]
    past = {name: np.concatenate([widened(p[name], max(lengths)) for p in pasts]) for name in pasts[0]}
    answers, _ = model([[row[-1]] for row in rows], np.zeros((4, 1)), past=past, read=lengths)
    agree(answers["chosen"][:, 0], np.stack([reference(row)[-1] for row in rows]))


def widened(cache: np.ndarray, rows: int) -> np.ndarray:
    """A cache with more rows, filled with a value that must not matter."""
    return np.pad(cache, ((0, 0), (0, 0), (0, rows - cache.shape[2]), (0, 0)), constant_values=7e2)


def test_several_rows_in_a_first_call(pair):
    model, reference, rng = pair
    rows = np.stack([tokens(model, rng, 50) for _ in range(3)])
    answers, _ = model(rows, [[49, 3], [0, 17], [20, 21]])
    agree(answers["chosen"], np.stack([reference(row)[at] for row, at in zip(rows, ([49, 3], [0, 17], [20, 21]))]))


def test_a_cache_is_cut_by_saying_that_less_was_read(pair):
    model, reference, rng = pair
    ids, other = tokens(model, rng, 90), tokens(model, rng, 30)
    _, past = model(ids, [0])
    answers, _ = model(other, np.arange(30), past=past, read=41)
    agree(answers["chosen"][0], reference(np.concatenate([ids[:41], other]))[41:])


def test_what_the_answers_say_of_the_logits(pair):
    model, reference, rng = pair
    ids, choices, positions = tokens(model, rng, 90), [41, 3, 77], [89, 0, 44, 44]
    logits = reference(ids)[positions].astype(np.float64)
    answers, _ = model(ids, positions, choices)
    close = lambda found, expected: np.abs(found[0] - expected).max() / np.abs(logits).max() < TOLERANCE
    best = np.sort(logits, -1)[:, ::-1]
    assert close(answers["top"], best[:, :2])
    clear = best[:, 0] - best[:, 1] > 4 * TOLERANCE * np.abs(logits).max()
    assert clear.any()
    np.testing.assert_array_equal(answers["best"][0][clear], logits.argmax(-1)[clear])
    assert close(answers["log_sum"], np.log(np.exp(logits - best[:, :1]).sum(-1)))
    assert close(answers["chosen"], logits[:, choices])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("weights", ["bfloat16", "float16"])
def test_narrow_weights_are_rounded_matrices_and_nothing_else(family, weights, tmp_path):
    write_seeded(tmp_path / "source", family, 1)
    model = Model(convert(tmp_path / "source", tmp_path / "model", "--weights", weights))
    reference = Reference(tmp_path / "source")
    reference.round_matrices(getattr(torch, weights))
    ids = tokens(model, np.random.default_rng(0), 400)
    agree(model.whole(ids), reference(ids))
    agree(model.chunks(ids, [300, 1, 99]), reference(ids))


def test_the_seeds_cover_what_the_families_can_do():
    """Tied and untied heads, grouped queries, rotary scalings and residual orders: each is drawn at least once."""
    drawn = {family: [draw_config(family, seed) for seed in SEEDS] for family in FAMILIES}
    for family, configs in drawn.items():
        assert {c["tie_word_embeddings"] for c in configs} == {True, False} or family == "progen", family
        scalings = {options.get("rope_type", options.get("type")) for options in (c.get("rope_scaling") or {} for c in configs)}
        expected = {"llama": {None, "linear", "llama3"}, "phi3": {None, "longrope"}, "mistral": {None}, "gpt2": {None}, "progen": {None}}
        assert scalings >= expected.get(family, {None, "linear"}), family
        if family not in ("gpt_neox", "gpt2", "progen"):
            assert any(c["num_attention_heads"] > c["num_key_value_heads"] > 1 for c in configs), family
    assert {c["use_parallel_residual"] for c in drawn["gpt_neox"]} == {True, False}
    assert len({c["rotary_pct"] for c in drawn["gpt_neox"]}) == 3
    windows = {c["sliding_window"] for c in drawn["mistral"]}
    assert {None, 4096} < windows and min(windows - {None}) < 100


def test_recorded_logits_are_those_of_the_converted_model(tmp_path):
    write_seeded(tmp_path / "source", "gemma3_text", 4)
    record = tmp_path / "record.json"
    command = [sys.executable, ROOT / "scripts" / "record-logits.py", tmp_path / "source", "-o", record, "--top", "7"]
    subprocess.run(list(map(str, command)), check=True)
    model = Model(convert(tmp_path / "source", tmp_path / "model", "--record", str(record)))
    recorded = json.loads((tmp_path / "model" / "card.json").read_text())["recorded"]
    assert recorded["input_ids"][0] == model.config["bos_token_id"]
    logits = model.whole(recorded["input_ids"])[recorded["positions"]]
    assert logits.argmax(-1).tolist() == [row[0] for row in recorded["ids"]]
    found = np.take_along_axis(logits, np.array(recorded["ids"]), 1)
    assert found.shape == (16, 7)
    np.testing.assert_allclose(found, recorded["logits"], atol=TOLERANCE * np.abs(logits).max())
