"""Evo 2 from a checkpoint to answers, compared with vortex on the same weights.

    SHOTLINE_BIN=target/release python3 -m pytest tests/python/test_evo2.py

The checkpoints are written from seeds (tests/oracle/evo2_checkpoint.py). vortex's results are kept in
tests/fixtures/models/evo2.json and tiny-evo2.json. Beyond those, the expected values come from the model in plain
float64 (evo2_reference.py).
"""

import dataclasses
import json
import runpy
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest

from converter import ROOT, convert, refused, run_convert
from drawn_model import error, stacked
from filters import infer
from onnx_model import Model

sys.path[:0] = [str(ROOT / "scripts" / "convert"), str(ROOT / "tests" / "oracle")]

import evo2_checkpoint  # noqa: E402
import evo2_reference  # noqa: E402
from errors import ConvertError  # noqa: E402
from evo2 import PUBLISHED, Published, Told, variant_of  # noqa: E402
from shape import Shape  # noqa: E402

MODELS = ROOT / "tests" / "fixtures" / "models"
FIXTURE = json.loads((MODELS / "evo2.json").read_text())
TINY = json.loads((MODELS / "tiny-evo2.json").read_text())
# Relative to the largest absolute logit.
TOLERANCE = 2e-5
DRAWN = (22, 23, 24, 26)
CONFIG = evo2_checkpoint.Config(
    kinds=("short", "attention", "long", "medium"), width=32, heads=2, hidden=48, groups=4, taps=5, long_taps=130
)


def described(config: evo2_checkpoint.Config, positions: int = 2048) -> tuple[str, ...]:
    return ("--rope-scaling", str(config.scaling), "--max-positions", str(positions))


def converted_of(folder: Path, config: evo2_checkpoint.Config, seed: int, *options: str) -> Path:
    source = evo2_checkpoint.write(folder / "m.pt", evo2_checkpoint.tensors(config, seed), parts=1 + seed % 3)
    return convert(source, folder / "model", *described(config), *options)


@pytest.mark.parametrize("expected", FIXTURE["models"], ids=lambda row: str(row["seed"]))
def test_logits_are_those_of_vortex(tmp_path, expected):
    seed, positions = expected["seed"], FIXTURE["positions"]
    model = Model(converted_of(tmp_path, evo2_checkpoint.drawn(seed), seed))
    ids = evo2_checkpoint.bases(seed, positions[-1] + 1)
    for logits in (model.whole(ids), model.chunks(ids, [1, 64, 128, 107])):
        difference = np.abs(logits[np.ix_(positions, FIXTURE["rows"])] - expected["logits"]).max()
        assert difference / expected["largest"] < TOLERANCE
        assert logits[positions].argmax(-1).tolist() == expected["argmax"]


@pytest.fixture(scope="module", params=DRAWN)
def pair(request, tmp_path_factory):
    """(converted model, config, weights, seed)"""
    seed = request.param
    config = evo2_checkpoint.drawn(seed)
    folder = tmp_path_factory.mktemp("drawn")
    return Model(converted_of(folder, config, seed)), config, evo2_checkpoint.tensors(config, seed), seed


def test_logits_are_true_in_one_pass_in_chunks_and_step_by_step(pair):
    model, config, weights, seed = pair
    ids = evo2_checkpoint.bases(seed, 700)
    truth = evo2_reference.logits(config, weights, ids)
    assert error(model.whole(ids), truth) < TOLERANCE
    # Sizes near a chunk of the long filter, near a group of chunks, and below the reach of the filters.
    for sizes in ([64, 1, 200, 300, 135], [2, 3, 63, 512, 120], [699, 1], [600] + [1] * 100):
        assert error(model.chunks(ids, sizes), truth) < TOLERANCE, sizes


def test_rows_are_read_together_and_go_on_token_by_token(pair):
    """The rows of a first call have equal lengths. Later calls read one token per row, however many each has read."""
    model, config, weights, seed = pair
    lengths, more = np.array([5, 64, 130, 1, 77, 128]), 6
    rows = [evo2_checkpoint.bases(seed + number, length + more) for number, length in enumerate(lengths)]
    truths = [evo2_reference.logits(config, weights, row) for row in rows]
    together = [row[:7] for row in rows if len(row) > 7]
    answers, _ = model(together, [[6, 0]] * len(together))
    found = answers["chosen"]
    for row, truth in enumerate(truth for truth in truths if len(truth) > 7):
        assert error(found[row], truth[[6, 0]]) < TOLERANCE
    past = stacked([model(row[:length], [0])[1] for row, length in zip(rows, lengths)])
    for step in range(more):
        tokens = [[row[length + step]] for row, length in zip(rows, lengths)]
        answers, past = model(tokens, np.zeros((len(rows), 1)), past=past, read=lengths + step)
        for row, length in enumerate(lengths):
            assert error(answers["chosen"][row, 0], truths[row][length + step]) < TOLERANCE


def test_the_seeds_cover_what_the_architecture_can_do():
    drawn = list(map(evo2_checkpoint.drawn, [*(row["seed"] for row in FIXTURE["models"]), *DRAWN]))
    assert {config.scaling for config in drawn} == {1, 32, 128} and {config.base for config in drawn} == {1e4, 1e6}
    assert any(config.kinds[0] == "attention" for config in drawn)
    assert len({config.groups for config in drawn}) > 3 and len({config.heads for config in drawn}) == 3


def test_bfloat16_weights_change_nothing_that_was_bfloat16(tmp_path):
    """All matrices of a checkpoint are bfloat16. Filters, norms and biases stay float32."""
    (tmp_path / "a").mkdir()
    wide = Model(converted_of(tmp_path, CONFIG, 0))
    narrow = Model(converted_of(tmp_path / "a", CONFIG, 0, "--weights", "bfloat16"))
    ids = evo2_checkpoint.bases(0, 200)
    np.testing.assert_allclose(narrow.whole(ids), wide.whole(ids), rtol=0, atol=1e-6)
    np.testing.assert_allclose(narrow.chunks(ids, [150, 1, 49]), wide.whole(ids), rtol=0, atol=1e-4)


@pytest.mark.parametrize("seed", DRAWN)
def test_the_graph_for_cuda_in_float32_has_the_same_numbers(tmp_path, seed):
    """Run on a CPU. The graph has no control flow and some other operators, and no other differences."""
    config = evo2_checkpoint.drawn(seed)
    folder = converted_of(tmp_path, config, seed, "--device", "cuda", "--weights", "float32")
    graph = onnx.load(folder / "model.onnx", load_external_data=False).graph
    assert not {"If", "Loop", "Scan", "Conv"} & {node.op_type for node in graph.node}
    model, ids = Model(folder), evo2_checkpoint.bases(seed, 400)
    truth = evo2_reference.logits(config, evo2_checkpoint.tensors(config, seed), ids)
    for sizes in ([400], [130, 1, 200, 65, 1, 3]):
        assert error(model.chunks(ids, sizes), truth) < TOLERANCE, sizes
    past = [model(ids[:length], [0])[1] for length in (3, 129)]
    answers, _ = model([[ids[3]], [ids[129]]], [[0], [0]], past=stacked(past), read=[3, 129])
    assert error(answers["chosen"][:, 0], truth[[3, 129]]) < TOLERANCE


def test_states_are_named_and_shaped_as_the_contract_says(tmp_path):
    model = Model(converted_of(tmp_path, CONFIG, 0))
    _, past = model([[65, 67]], [[1]])
    assert {name: value.shape for name, value in past.items()} == {
        "past_states.0.short": (1, 96, 2),
        "past_states.0.taps": (1, 32, 4),
        "past_key_values.1.key": (1, 2, 2, 16),
        "past_key_values.1.value": (1, 2, 2, 16),
        "past_states.2.short": (1, 96, 2),
        "past_states.2.modes": (1, 32, 16),
        "past_states.3.short": (1, 96, 2),
        "past_states.3.taps": (1, 32, 129),
    }


def test_the_folder_says_what_is_in_it(tmp_path):
    folder = converted_of(tmp_path, CONFIG, 1)
    card, config = (json.loads((folder / name).read_text()) for name in ("card.json", "config.json"))
    assert (card["name"], card["modality"], card["vocabulary"]) == ("model", "genomic", "bytes")
    weights = evo2_checkpoint.tensors(CONFIG, 1)
    assert card["params"] == sum(array.size for name, array in weights.items() if not name.endswith("inv_freq"))
    assert [source["file"] for source in card["sources"]] == ["m.pt.part0", "m.pt.part1"]
    assert "acceptance" not in card and "warnings" not in card
    assert (config["eos_token_id"], config["pad_token_id"], config["bos_token_id"]) == (0, 1, None)
    assert config["layer_types"] == list(CONFIG.kinds)
    assert not (folder / "tokenizer.json").exists()


# --- refusals ---


def spoilt(tmp_path: Path, change, *words: str, options: tuple[str, ...] = described(CONFIG)) -> None:
    weights = evo2_checkpoint.tensors(CONFIG, 0)
    change(weights)
    refused(tmp_path, evo2_checkpoint.write(tmp_path / "m.pt", weights), "m.pt", *words, options=options)


def test_an_unpublished_name_needs_a_scaling(tmp_path):
    spoilt(tmp_path, lambda w: None, '"m" is no published Evo 2 model', "evo2_7b_262k", "--rope-scaling", options=())


def test_a_scaling_without_a_context_is_half_a_description(tmp_path):
    spoilt(tmp_path, lambda w: None, "both --rope-scaling and --max-positions", options=("--rope-scaling", "1"))


def test_tensors_that_are_not_the_published_models_are_refused(tmp_path):
    words = ("not evo2_7b", "layers 4, width 32", "layers 32, width 4096")
    spoilt(tmp_path, lambda w: None, *words, options=("--evo2-model", "evo2_7b"))


def test_a_scaling_of_another_kind_of_source_is_refused(tmp_path):
    (tmp_path / "x").write_bytes(b"GGUF")
    done = run_convert(tmp_path / "x", "-o", tmp_path / "model", *described(CONFIG))
    assert done.returncode == 1 and not (tmp_path / "model").exists()


def test_a_missing_tensor_is_named(tmp_path):
    spoilt(tmp_path, lambda w: w.pop("blocks.2.filter.residues"), "tensor blocks.2.filter.residues: missing")


def test_an_unknown_tensor_is_named(tmp_path):
    extra = lambda w: w.update({"blocks.0.filter.t": np.zeros(3, np.float32)})
    spoilt(tmp_path, extra, "tensor blocks.0.filter.t: not part of the striped_hyena_2 architecture")


def test_a_tensor_of_another_shape_is_named(tmp_path):
    shorter = lambda w: w.update({"blocks.3.mlp.l2.weight": np.zeros((3, 32), ml_dtypes.bfloat16)})
    spoilt(tmp_path, shorter, "blocks.3.mlp.l2.weight: shape (3, 32), expected (48, 32)")


def test_groups_that_do_not_divide_the_width_are_refused(tmp_path):
    spoilt(tmp_path, lambda w: w.update({"blocks.0.filter.h": np.zeros((5, 1, 7), np.float32)}), "5 groups of 7 taps")


def test_attention_layers_that_rotate_differently_are_refused(tmp_path):
    config = dataclasses.replace(CONFIG, kinds=("attention", "short", "attention"))
    weights = evo2_checkpoint.tensors(config, 0)
    weights["blocks.2.inner_mha_cls.rotary_emb.inv_freq"] *= np.float32(2)
    source = evo2_checkpoint.write(tmp_path / "m.pt", weights)
    refused(tmp_path, source, "blocks.2.inner_mha_cls.rotary_emb.inv_freq: differs", options=described(config))


def test_a_weight_that_is_not_finite_leaves_nothing_behind(tmp_path):
    def change(weights):
        weights["blocks.3.mlp.l3.weight"][7, 7] = np.inf

    spoilt(tmp_path, change, "tensor blocks.3.mlp.l3.weight: a weight is not finite")


# --- the published models ---


@pytest.mark.parametrize("model", PUBLISHED.values(), ids=lambda model: model.name)
def test_published_models_are_known_by_their_files_names(model):
    path = Path(f"{model.name}.pt")
    layers, width, heads, hidden = model.sizes
    assert variant_of(path, Told()) is model
    assert variant_of(Path("other.pt"), Told(model.name)) is model
    shape = Shape(layers, width, heads, heads, width // heads, hidden, 512, 1, 1e-6, True)
    model.check(path, shape)
    with pytest.raises(ConvertError, match=f"not {model.name}"):
        model.check(path, dataclasses.replace(shape, hidden=hidden + 16))


def test_models_that_need_fp8_carry_the_warning():
    warned = {name for name, model in PUBLISHED.items() if "warnings" in model.notes()}
    assert warned == {"evo2_1b_base", "evo2_20b", "evo2_40b", "evo2_40b_base"}
    for name in warned:
        (warning,) = PUBLISHED[name].notes()["warnings"]
        assert "FP8" in warning and "evo2-vortex" in warning


def test_a_published_models_warning_and_figures_are_printed_and_in_the_card(tmp_path, monkeypatch, capsys):
    """Runs the converter as a user does, with a table that lists a model as small as this one."""
    tiny = Published(1, 8192, "tiny", (len(CONFIG.kinds), CONFIG.width, CONFIG.heads, CONFIG.hidden), True, (0.5, 0.8))
    monkeypatch.setitem(PUBLISHED, "tiny", tiny)
    source = evo2_checkpoint.write(tmp_path / "tiny.pt", evo2_checkpoint.tensors(CONFIG, 0), parts=2)
    monkeypatch.setattr(sys, "argv", ["convert", str(source), "-o", str(tmp_path / "model")])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "scripts" / "convert"), run_name="__main__")
    assert ended.value.code == 0
    said = capsys.readouterr()
    card = json.loads((tmp_path / "model" / "card.json").read_text())
    assert said.out == "" and said.err == f"convert: warning: {card['warnings'][0]}\n"
    assert card["acceptance"]["published"] == {"loss": 0.5, "accuracy": 0.8}
    assert card["max_positions"] == 8192


def test_published_figures_are_in_the_card():
    acceptance = PUBLISHED["evo2_7b"].notes()["acceptance"]
    assert acceptance["kind"] == "next-base" and "evo2 0.6.0" in acceptance["source"]
    published = acceptance["published"]
    assert (round(published["loss"], 4), round(published["accuracy"], 4)) == (0.3477, 0.8635)
    assert "acceptance" not in PUBLISHED["evo2_7b_262k"].notes()


# --- the tiny model of the repository ---


def test_the_committed_model_continues_as_vortex_did():
    model = Model(MODELS / "tiny-evo2")
    for row in TINY["prompts"]:
        ids, past, read, tokens, logprobs = list(row["prompt"].encode()), None, 0, [], []
        while len(tokens) < len(row["tokens"]):
            answers, past = model(ids, [len(ids) - 1], past=past, read=read)
            read += len(ids)
            last = answers["chosen"][0, 0].astype(np.float64)
            tokens.append(int(answers["best"][0, 0]))
            logprobs.append(-np.log(np.exp(last - last.max()).sum()))
            ids = tokens[-1:]
        assert tokens == row["tokens"], row["prompt"]
        np.testing.assert_allclose(logprobs, row["logprobs"], atol=2e-4)


@pytest.mark.parametrize("method", ["generate", "score"])
def test_infer_answers_as_vortex_generates(method):
    prompts = "".join(json.dumps(record) + "\n" for record in TINY["records"])
    done = infer(MODELS / "tiny-evo2", prompts, "--method", method)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    keys = ("function", "design", "shots", "output")
    assert [[row[key] for key in keys] for row in found] == [[row[key] for key in keys] for row in TINY["answers"]]
    assert {row["modality"] for row in found} == {"genomic"}
