"""Evo 1 from a Hugging Face folder to answers, compared with the model in plain float64.

    SHOTLINE_BIN=target/release python3 -m pytest tests/python/test_evo1.py

The folders are written from seeds (tests/oracle/evo1_checkpoint.py). The expected values are computed from the
equations (evo1_reference.py).
"""

import dataclasses
import json
import math
import sys
from functools import partial

import numpy as np
import onnx
import pytest

import drawn_model
from converter import ROOT, convert
from drawn_model import answers_are, error, stacked
from onnx_model import Model

sys.path[:0] = [str(ROOT / "scripts" / "convert"), str(ROOT / "tests" / "oracle")]

import evo1_checkpoint  # noqa: E402
import evo1_reference  # noqa: E402
from evo1 import Evo1  # noqa: E402
from shape import Shape  # noqa: E402

# Relative to the largest absolute logit.
TOLERANCE = 1e-5
DRAWN = (21, 22, 23, 24)
CONFIG = evo1_checkpoint.Config(kinds=("long", "attention", "long"), width=32, heads=2, hidden=48)


Drawn = partial(drawn_model.Drawn, evo1_checkpoint, evo1_reference)
spoilt = partial(drawn_model.spoilt, evo1_checkpoint, CONFIG)


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
    # Sizes near a chunk of the long filter, sizes below the filter's reach, and one token at a time.
    for sizes in ([1, 2, 3, 14, 280], [64, 1, 127, 108], [200] + [1] * 100):
        assert error(model.chunks(ids, sizes), truth) < TOLERANCE, sizes


def test_rows_that_have_read_unequally_much_go_on_together(pair):
    model, drawn = pair
    lengths = np.array([5, 64, 130, 1])
    rows = [drawn.tokens(length + 4, number) for number, length in enumerate(lengths)]
    truths = [drawn.truth(row) for row in rows]
    past = stacked([model(row[:length], [0])[1] for row, length in zip(rows, lengths)])
    for step in range(4):
        tokens = [[row[length + step]] for row, length in zip(rows, lengths)]
        answers, past = model(tokens, np.zeros((4, 1)), past=past, read=lengths + step)
        for row, length in enumerate(lengths):
            assert error(answers["chosen"][row, 0], truths[row][length + step]) < TOLERANCE


def test_several_rows_in_a_first_call(pair):
    model, drawn = pair
    rows = [drawn.tokens(50, row) for row in range(3)]
    places = ([49, 3], [0, 17], [20, 21])
    answers, _ = model(rows, places)
    for found, row, at in zip(answers["chosen"], rows, places):
        assert error(found, drawn.truth(row)[at]) < TOLERANCE


def test_the_graph_for_cuda_in_float32_has_the_same_numbers(tmp_path):
    """Run on a CPU. The graph has no cuDNN operator and no control flow."""
    drawn = Drawn(tmp_path, DRAWN[0])
    folder = convert(drawn.source, tmp_path / "model", "--device", "cuda", "--weights", "float32")
    graph = onnx.load(folder / "model.onnx", load_external_data=False).graph
    assert not {"If", "Loop", "Scan", "Conv"} & {node.op_type for node in graph.node}
    ids = drawn.tokens(300)
    truth = drawn.truth(ids)
    for sizes in ([300], [130, 1, 65, 100, 1, 3]):
        assert error(Model(folder).chunks(ids, sizes), truth) < TOLERANCE, sizes


def test_bfloat16_weights_change_nothing_that_was_bfloat16(tmp_path):
    """All matrices of a folder are bfloat16. Poles, residues and values computed from them stay float32."""
    drawn = Drawn(tmp_path, DRAWN[1])
    wide, narrow = (convert(drawn.source, tmp_path / name, "--weights", name) for name in ("float32", "bfloat16"))
    ids = drawn.tokens(200)
    np.testing.assert_allclose(Model(narrow).whole(ids), Model(wide).whole(ids), rtol=0, atol=1e-5)


def test_the_seeds_cover_what_the_family_can_do():
    drawn = list(map(evo1_checkpoint.drawn, DRAWN))
    both = {True, False}
    assert {config.tied for config in drawn} == {config.biased for config in drawn} == both
    assert {config.by_head for config in drawn} == {config.scaling == 1 for config in drawn} == both
    assert {config.activation for config in drawn} == {"gelu", "silu"}


# --- files beside the graph ---


def test_the_folder_says_what_is_in_it(tmp_path):
    drawn = Drawn(tmp_path, 1, CONFIG)
    folder = convert(drawn.source, tmp_path / "model")
    card, config = (json.loads((folder / name).read_text()) for name in ("card.json", "config.json"))
    assert (card["architecture"], card["modality"], card["vocabulary"]) == ("stripedhyena", "genomic", "bytes")
    assert card["params"] == sum(array.size for name, array in drawn.weights.items() if not name.endswith("inv_freq"))
    assert card["max_positions"] == config["max_position_embeddings"] == CONFIG.context
    assert [config[f"{kind}_token_id"] for kind in ("eos", "bos", "pad")] == [0, None, 1]
    assert config["layer_types"] == list(CONFIG.kinds) and not (folder / "tokenizer.json").exists()


def test_states_are_named_and_shaped_as_the_contract_says(tmp_path):
    drawn = Drawn(tmp_path, 1, CONFIG)
    _, past = Model(convert(drawn.source, tmp_path / "model"))([[65, 67]], [[1]])
    assert {name: value.shape for name, value in past.items()} == {
        "past_states.0.short": (1, 96, 2),
        "past_states.0.modes": (1, 32, 16),
        "past_key_values.1.key": (1, 2, 2, 16),
        "past_key_values.1.value": (1, 2, 2, 16),
        "past_states.2.short": (1, 96, 2),
        "past_states.2.modes": (1, 32, 16),
    }


def test_a_graph_takes_no_longer_prompts_than_there_are_rotary_angles_for(tmp_path):
    drawn = Drawn(tmp_path, 1, dataclasses.replace(CONFIG, context=131072))
    card = json.loads((convert(drawn.source, tmp_path / "model") / "card.json").read_text())
    assert card["max_positions"] == 32768


def continued(drawn: drawn_model.Drawn, text: str, symbols: int) -> str:
    """The greedy continuation; each step is a full float64 pass. Non-ASCII bytes have no text of their own."""
    ids, output = list(text.encode()), ""
    for _ in range(symbols):
        best = int(drawn.truth(ids)[-1].argmax())
        if best == 0:
            break
        output += chr(best) if best < 128 else "\ufffd"
        ids.append(best)
    return output


@pytest.mark.parametrize("seed", DRAWN[:2])
def test_infer_answers_as_the_model_in_float64_does(seed, tmp_path):
    model = Drawn(tmp_path, seed)
    answers_are(convert(model.source, tmp_path / "model"), partial(continued, model))


def test_the_tensors_that_are_expected_have_the_size_of_the_published_ones():
    """metadata.total_size in model.safetensors.index.json of togethercomputer/evo-1-8k-base: bfloat16, except modes."""
    model = object.__new__(Evo1)
    model.shape = Shape(32, 4096, 32, 32, 128, 10928, 512, 8192, 1e-6, tied=True)
    model.kinds = ["attention" if i in (8, 16, 24) else "long" for i in range(32)]
    model._modes, model._qkv_bias, model._out_bias = 8, True, True
    shapes = model._expected()
    size = lambda name: 4 if name.endswith((".poles", ".residues")) else 2
    rates = 3 * 64 * 2
    assert rates + sum(size(name) * math.prod(shape) for name, shape in shapes.items()) == 12913164672


# --- refusals ---


@pytest.mark.parametrize(
    "key, value",
    [
        ("proj_groups", 4), ("hyena_filter_groups", 256), ("short_filter_length", 4), ("short_filter_bias", False),
        ("final_norm", False), ("smeared_gqa", True), ("vocab_size", 32000), ("mlp_activation", "relu"),
        ("long_fir_threshold", 2048), ("num_attention_heads", 3), ("hidden_dim", 32), ("hyena_flip_x1x2", True),
        ("attn_layer_idxs", [7]), ("attn_layer_idxs", "1"), ("hyena_layer_idxs", [0]), ("hyena_layer_idxs", [0, 1, 2]),
    ],
)
def test_keys_that_are_unknown_or_not_supported_are_named(tmp_path, key, value):
    named = "hyena_layer_idxs" if key.endswith("idxs") and value in ([0], [0, 1, 2]) else key
    spoilt(tmp_path, f'"{named}"', **{key: value})


def test_what_a_key_is_without_being_there_counts(tmp_path):
    """The modelling code's default for `proj_groups` is 4, which is not supported here."""
    spoilt(tmp_path, '"proj_groups": 4 is not supported', proj_groups=None)


def test_a_missing_tensor_is_named(tmp_path):
    name = "backbone.blocks.2.filter.residues"
    spoilt(tmp_path, f"tensor {name}: missing", change=lambda w: w.pop(name))


def test_an_unknown_tensor_is_named(tmp_path):
    extra = lambda w: w.update({"backbone.blocks.0.filter.h": np.zeros(3, np.float32)})
    spoilt(tmp_path, "blocks.0.filter.h: not part of the stripedhyena architecture", change=extra)


def test_a_tensor_of_another_shape_is_named(tmp_path):
    spoilt(tmp_path, "blocks.0.filter.poles: shape (32, 8, 1, 2), expected (32, 4, 1, 2)", state_size=4)


def test_a_bias_that_the_configuration_does_not_have_is_named(tmp_path):
    spoilt(tmp_path, "blocks.1.inner_mha_cls.Wqkv.bias: not part of", qkv_proj_bias=False)


def test_rates_of_another_base_are_named(tmp_path):
    spoilt(tmp_path, "blocks.1.inner_mha_cls.rotary_emb.inv_freq: not the rates", rotary_emb_base=1e6)


def test_what_is_said_of_evo_2_checkpoints_is_refused(tmp_path):
    spoilt(tmp_path, "no Evo 2 checkpoint", options=("--max-positions", "100"))


@pytest.mark.parametrize("part", ["2.mlp.l3.weight", "2.filter.poles"])
def test_a_weight_that_is_not_finite_leaves_nothing_behind(tmp_path, part):
    def change(weights):
        weights[f"backbone.blocks.{part}"].flat[7] = np.inf

    spoilt(tmp_path, f"blocks.{part}: a weight is not finite", change=change)
