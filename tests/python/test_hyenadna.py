"""HyenaDNA from a Hugging Face folder to answers, compared with the model in plain float64.

    SHOTLINE_BIN=target/release python3 -m pytest tests/python/test_hyenadna.py

The folders are written from seeds (tests/oracle/hyenadna_checkpoint.py). The expected values are computed from the
equations (hyenadna_reference.py).
"""

import dataclasses
import json
import sys
from functools import partial

import numpy as np
import onnx
import pytest

import drawn_model
from converter import ROOT, convert, refused
from drawn_model import answers_are, encoded, error, genomic_prompts, stacked
from filters import infer
from onnx_model import Model

sys.path[:0] = [str(ROOT / "scripts" / "convert"), str(ROOT / "tests" / "oracle")]

import hyenadna_checkpoint  # noqa: E402
import hyenadna_reference  # noqa: E402
from hyenadna import TOKENS  # noqa: E402

# Relative to the largest absolute logit.
TOLERANCE = 1e-5
DRAWN = (20, 21, 22, 23)
CONFIG = hyenadna_checkpoint.Config(layers=2, width=24, hidden=40, context=1026)
FILTER = "hyena.backbone.layers.1.mixer.filter_fn."


Drawn = partial(drawn_model.Drawn, hyenadna_checkpoint, hyenadna_reference)
spoilt = partial(drawn_model.spoilt, hyenadna_checkpoint, CONFIG)


@pytest.fixture(scope="module", params=DRAWN)
def pair(request, tmp_path_factory):
    """(converted model, the drawn model)"""
    temp = tmp_path_factory.mktemp("drawn")
    drawn = Drawn(temp, request.param)
    return Model(convert(drawn.source, temp / "model")), drawn


def test_logits_are_true_in_one_pass_in_chunks_and_step_by_step(pair):
    model, drawn = pair
    ids = drawn.tokens(300)
    truth = drawn.truth(ids)
    assert error(model.whole(ids), truth) < TOLERANCE
    # Fewer tokens than a block of the long filter, one more than whole blocks, and one token at a time.
    for sizes in ([1, 2, 3, 14, 280], [33, 130, 1, 136], [200] + [1] * 100):
        assert error(model.chunks(ids, sizes), truth) < TOLERANCE, sizes


def test_rows_that_have_read_unequally_much_go_on_together(pair):
    """Rows may also read several tokens at once, because the model has no attention."""
    model, drawn = pair
    lengths = np.array([5, 64, 130, 1])
    rows = [drawn.tokens(length + 9, number) for number, length in enumerate(lengths)]
    truths = [drawn.truth(row) for row in rows]
    past = stacked([model(row[:length], [0])[1] for row, length in zip(rows, lengths)])
    for count, before in ((1, 0), (7, 1), (1, 8)):
        tokens = [row[length + before :][:count] for row, length in zip(rows, lengths)]
        answers, past = model(tokens, np.tile(np.arange(count), (4, 1)), past=past, read=lengths + before)
        for row, length in enumerate(lengths):
            expected = truths[row][length + before :][:count]
            assert error(answers["chosen"][row], expected) < TOLERANCE


def test_several_rows_in_a_first_call(pair):
    model, drawn = pair
    rows = [drawn.tokens(50, row) for row in range(3)]
    places = ([49, 3], [0, 17], [20, 21])
    answers, _ = model(rows, places)
    for found, row, at in zip(answers["chosen"], rows, places):
        assert error(found, drawn.truth(row)[at]) < TOLERANCE


def test_a_cache_is_cut_by_saying_that_less_was_read(pair):
    model, drawn = pair
    ids, other = drawn.tokens(90), drawn.tokens(30, 1)
    _, past = model(ids, [0])
    answers, _ = model(other, np.arange(30), past=past, read=41)
    assert error(answers["chosen"][0], drawn.truth(np.concatenate([ids[:41], other]))[41:]) < TOLERANCE


def test_the_graph_for_cuda_in_float32_has_the_same_numbers(tmp_path):
    """Run on a CPU. The graph has larger blocks and no other differences: no cuDNN operator, no control flow."""
    drawn = Drawn(tmp_path, DRAWN[0])
    folder = convert(drawn.source, tmp_path / "model", "--device", "cuda", "--weights", "float32")
    graph = onnx.load(folder / "model.onnx", load_external_data=False).graph
    assert not {"If", "Loop", "Scan", "Conv"} & {node.op_type for node in graph.node}
    ids = drawn.tokens(300)
    truth = drawn.truth(ids)
    for sizes in ([300], [130, 1, 65, 100, 1, 3]):
        assert error(Model(folder).chunks(ids, sizes), truth) < TOLERANCE, sizes


@pytest.mark.parametrize("weights", ["bfloat16", "float16"])
def test_narrow_weights_are_rounded_matrices_and_nothing_else(tmp_path, weights):
    drawn = Drawn(tmp_path, DRAWN[1])
    wide, narrow = (convert(drawn.source, tmp_path / name, "--weights", name) for name in ("float32", weights))
    ids = drawn.tokens(200)
    found = Model(narrow).whole(ids)
    assert 1e-5 < error(found, Model(wide).whole(ids)) < 0.05
    assert error(Model(narrow).chunks(ids, [150, 1, 49]), found) < TOLERANCE


def test_the_seeds_cover_what_the_family_can_do():
    drawn = list(map(hyenadna_checkpoint.drawn, DRAWN))
    assert {config.tied for config in drawn} == {config.trained for config in drawn} == {True, False}
    assert {config.every for config in drawn} == {True, False}
    assert {config.inner for config in drawn} == {1, 2, 3} and len({config.bands for config in drawn}) > 1


def test_filters_of_bfloat16_folders_are_read(tmp_path):
    """As `save_pretrained` writes a model that was loaded in bfloat16."""
    import ml_dtypes

    drawn = Drawn(tmp_path, 1, CONFIG)
    narrow = {name: array.astype(ml_dtypes.bfloat16) for name, array in drawn.weights.items()}
    source = hyenadna_checkpoint.write(tmp_path / "narrow", CONFIG, narrow, torch_dtype="bfloat16")
    ids = drawn.tokens(100)
    truth = hyenadna_reference.logits(CONFIG, narrow, ids)
    assert error(Model(convert(source, tmp_path / "model")).whole(ids), truth) < TOLERANCE


# --- files beside the graph ---


def test_the_folder_says_what_is_in_it(tmp_path):
    drawn = Drawn(tmp_path, 1, CONFIG)
    folder = convert(drawn.source, tmp_path / "model")
    card, config = (json.loads((folder / name).read_text()) for name in ("card.json", "config.json"))
    assert (card["architecture"], card["modality"], card["vocabulary"]) == ("hyenadna", "genomic", "tokenizer.json")
    tables = (".pos_emb.z", ".pos_emb.t", ".modulation.deltas")
    assert card["params"] == sum(array.size for name, array in drawn.weights.items() if not name.endswith(tables))
    assert card["max_positions"] == config["max_position_embeddings"] == CONFIG.context
    assert config["vocab_size"] == 16
    assert [config[f"{kind}_token_id"] for kind in ("eos", "bos", "pad")] == [1, 2, 4]
    assert [source["file"] for source in card["sources"]] == ["config.json", "model.safetensors"]


def test_filters_are_kept_for_as_many_lags_as_are_asked_for(tmp_path):
    config = dataclasses.replace(CONFIG, context=40_000)
    drawn = Drawn(tmp_path, 1, config)
    sizes = {}
    for name, asked in (("default", ()), ("short", ("--max-positions", "500")), ("all", ("--max-positions", "40000"))):
        folder = convert(drawn.source, tmp_path / name, *asked)
        sizes[name] = json.loads((folder / "card.json").read_text())["max_positions"]
    assert sizes == {"default": 8192, "short": 500, "all": 40_000}
    ids = drawn.tokens(500)
    np.testing.assert_allclose(Model(tmp_path / "short").whole(ids), Model(tmp_path / "all").whole(ids), atol=1e-4)


def continued(drawn: drawn_model.Drawn, text: str, symbols: int) -> str:
    """The greedy continuation; each step is a full float64 pass."""
    ids, output = [TOKENS.index(symbol) for symbol in text], ""
    for _ in range(symbols):
        best = int(drawn.truth(ids)[-1].argmax())
        if best == TOKENS.index("[SEP]"):
            break
        # Special tokens have no text. Ids that only pad the matrix have no known text.
        output += "\ufffd" if best >= len(TOKENS) else TOKENS[best] if best > TOKENS.index("[UNK]") else ""
        ids.append(best)
    return output


@pytest.mark.parametrize("seed", DRAWN[:2])
def test_infer_answers_as_the_model_in_float64_does(seed, tmp_path):
    model = Drawn(tmp_path, seed)
    answers_are(convert(model.source, tmp_path / "model"), partial(continued, model))


def test_a_prompt_that_is_longer_than_the_filters_is_refused(tmp_path):
    drawn = Drawn(tmp_path, 1, CONFIG)
    folder = convert(drawn.source, tmp_path / "model", "--max-positions", "30")
    done = infer(folder, genomic_prompts())
    assert done.returncode == 1 and "30" in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_symbols_that_are_no_bases_are_refused(tmp_path):
    drawn = Drawn(tmp_path, 1, CONFIG)
    folder = convert(drawn.source, tmp_path / "model")
    done = infer(folder, encoded("linguistic", *"--task identity --shots 1 --trials 1".split()))
    assert done.returncode == 1 and "is not one token of this model" in done.stderr


# --- refusals ---


@pytest.mark.parametrize(
    "key, value",
    [
        ("hyena_order", 3), ("short_filter_order", 5), ("vocab_size", 4096), ("layer_norm_epsilon", 1e-6),
        ("d_model", "wide"), ("checkpoint_mixer", True), ("hidden_size", 24), ("quantization_config", {"bits": 4}),
    ],
)
def test_keys_that_are_unknown_or_not_supported_are_named(tmp_path, key, value):
    spoilt(tmp_path, f'"{key}"', **{key: value})


def test_a_missing_tensor_is_named(tmp_path):
    spoilt(tmp_path, f"tensor {FILTER}pos_emb.z: missing", change=lambda w: w.pop(f"{FILTER}pos_emb.z"))


def test_a_missing_frequency_is_named(tmp_path):
    name = f"{FILTER}implicit_filter.1.freq"
    spoilt(tmp_path, f"tensor {name}: missing", change=lambda w: w.pop(name))


def test_frequencies_that_differ_are_named(tmp_path):
    name = f"{FILTER}implicit_filter.3.freq"
    spoilt(tmp_path, f"tensor {name}: differs", change=lambda w: w.update({name: np.ones((1, 16), np.float32)}))


def test_a_frequency_of_another_shape_is_named(tmp_path):
    name = f"{FILTER}implicit_filter.1.freq"
    change = lambda w: w.update({name: np.ones((1, 15), np.float32)})
    spoilt(tmp_path, f"tensor {name}: shape (1, 15), expected (1, 16)", change=change)


def test_a_frequency_of_a_model_without_is_named(tmp_path):
    """The configuration says that the frequency is not trained, but the weights have one."""
    spoilt(tmp_path, "implicit_filter.1.freq: not part of the hyenadna architecture", train_freq=False)


def test_an_unknown_tensor_is_named(tmp_path):
    extra = lambda w: w.update({"score.weight": np.zeros((2, 24), np.float32)})
    spoilt(tmp_path, "tensor score.weight: not part of the hyenadna architecture", change=extra)


def test_a_tensor_of_another_shape_is_named(tmp_path):
    name = "hyena.backbone.layers.0.mlp.fc1.weight"
    spoilt(tmp_path, f"tensor {name}: shape (40, 24), expected (48, 24)", d_inner=48)


def test_a_context_that_the_model_does_not_have_is_refused(tmp_path):
    spoilt(tmp_path, "--max-positions 2000: max_seq_len is 1026", options=("--max-positions", "2000"))


def test_what_is_said_of_evo_2_checkpoints_is_refused(tmp_path):
    spoilt(tmp_path, "only --max-positions", options=("--rope-scaling", "1"))


@pytest.mark.parametrize("part", ["mlp.fc2.weight", "mixer.filter_fn.bias"])
def test_a_weight_that_is_not_finite_leaves_nothing_behind(tmp_path, part):
    def change(weights):
        weights[f"hyena.backbone.layers.1.{part}"].flat[7] = np.inf

    spoilt(tmp_path, f"layers.1.{part}: a weight is not finite", change=change)


FIRST = dataclasses.replace(CONFIG, tied=True, every=True)


@pytest.mark.parametrize("named", ["", "weights.ckpt"])
def test_the_folders_it_appeared_in_first_are_the_same_model(named, tmp_path):
    """The checkpoint's other objects are not called or imported; if they were, the converter would print something."""
    weights = hyenadna_checkpoint.tensors(FIRST, 7)
    expected = convert(hyenadna_checkpoint.write(tmp_path / "hf", FIRST, weights), tmp_path / "expected")
    source = hyenadna_checkpoint.write_first(tmp_path / "first", FIRST, weights)
    found = convert(source / named, tmp_path / "found")
    for name in ("model.onnx", "model.onnx.data", "config.json", "tokenizer.json"):
        assert (found / name).read_bytes() == (expected / name).read_bytes(), name
    card = json.loads((found / "card.json").read_text())
    assert [entry["file"] for entry in card["sources"]] == ["config.json", "weights.ckpt"]


@pytest.mark.parametrize(
    "layer, keys, word",
    [
        ({"_name_": "mha"}, {}, '"layer": "_name_": '),
        ({"modulate": False}, {}, '"layer": "modulate": '),
        ({"shift": 0.0}, {}, '"layer": "shift": '),
        ({"l_max": None}, {}, '"layer": "l_max": missing'),
        ({"num_heads": 2}, {}, '"layer": "num_heads": 2'),
        ({}, {"layer": None}, '"layer": expected an object'),
        ({}, {"attn_layer_idx": [1]}, '"attn_layer_idx": '),
        ({}, {"process_group": 3}, '"process_group": 3'),
        ({}, {"d_inner": 48}, "mlp.fc1.weight: shape (40, 24), expected (48, 24)"),
        ({"order": 3}, {}, '"hyena_order": 3'),
    ],
)
def test_what_the_first_folders_say_is_read_or_named(layer, keys, word, tmp_path):
    weights = hyenadna_checkpoint.tensors(FIRST, 7)
    refused(tmp_path, hyenadna_checkpoint.write_first(tmp_path / "first", FIRST, weights, layer, **keys), "first", word)


def test_a_checkpoint_of_lightnings_without_weights_is_named(tmp_path):
    source = hyenadna_checkpoint.write_first(tmp_path / "first", FIRST, {})
    refused(tmp_path, source, "tensor hyena.backbone.embeddings.word_embeddings.weight: missing")
    (source / "weights.ckpt").write_bytes(b"PK no zip")
    refused(tmp_path, source, "weights.ckpt: not a PyTorch checkpoint")
