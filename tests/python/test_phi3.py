"""Phi-3 from GGUF: it gives the same model as the folder, and keys missing in old files have their old meaning.

    python3 -m pytest tests/python/test_phi3.py
"""

import json
from pathlib import Path

import gguf
import numpy as np
import onnx
import pytest

from converter import convert, refused
from onnx_model import Model
from seeded_models import TOKENS, draw_config, draw_weights, write_folder

# Without longrope and with it, each with all dimensions rotated and with a part of them.
SEEDS = (0, 1, 2, 3)


def write_gguf(path: Path, config: dict, tensors: dict, keys: dict | None = None, without=(), factors=None,
               narrow=None) -> Path:
    """Writes the model as llama.cpp's converter does. `keys`: more keys of the model's own section. `without`: endings
    of keys to leave out. `factors`: other short factors. `narrow`: the type of the layers' matrices."""
    w, heads = gguf.GGUFWriter(path, "phi3"), config["num_attention_heads"]
    head_dim = config["hidden_size"] // heads
    w.add_block_count(config["num_hidden_layers"])
    w.add_context_length(config["max_position_embeddings"])
    w.add_rope_scaling_orig_ctx_len(config["original_max_position_embeddings"])
    w.add_embedding_length(config["hidden_size"])
    w.add_feed_forward_length(config["intermediate_size"])
    w.add_head_count(heads)
    w.add_head_count_kv(config["num_key_value_heads"])
    w.add_layer_norm_rms_eps(config["rms_norm_eps"])
    w.add_rope_dimension_count(int(head_dim * config["partial_rotary_factor"]))
    w.add_rope_freq_base(config["rope_theta"])
    w.add_sliding_window(config["sliding_window"] or 0)
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-4o")
    w.add_token_list(TOKENS + [f"[{i}]" for i in range(config["vocab_size"] - len(TOKENS))])
    w.add_token_merges(["A T", "G C"])
    w.add_eos_token_id(0)
    scaling = config["rope_scaling"]
    if scaling:
        longer, trained = config["max_position_embeddings"], config["original_max_position_embeddings"]
        w.add_rope_scaling_attn_factors(float(np.sqrt(1 + np.log(longer / trained) / np.log(trained))))
        w.add_tensor("rope_factors_long.weight", np.array(scaling["long_factor"], np.float32))
        w.add_tensor("rope_factors_short.weight", np.array(factors or scaling["short_factor"], np.float32))
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.PHI3, config["num_hidden_layers"])
    for name, array in tensors.items():
        if narrow is not None and ".layers." in name and array.ndim == 2:
            array = gguf.quants.quantize(array, narrow)
        w.add_tensor(names.get_name(name, (".weight",)), array, raw_dtype=narrow if array.dtype == np.uint8 else None)
    w.kv_data[0] = {key: value for key, value in w.kv_data[0].items() if not key.endswith(tuple(without))}
    for key, value in (keys or {}).items():
        w.kv_data[0].pop(f"phi3.{key}", None)
        {int: w.add_uint32, float: w.add_float32, str: w.add_string}[type(value)](f"phi3.{key}", value)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    return path


@pytest.mark.parametrize("seed", SEEDS)
def test_gguf_is_the_same_model(seed, tmp_path):
    config = draw_config("phi3", seed)
    tensors = draw_weights(config, seed)
    expected = Model(convert(write_folder(tmp_path / "source", config, tensors), tmp_path / "model"))
    found = Model(convert(write_gguf(tmp_path / "t.gguf", config, tensors), tmp_path / "other"))
    ids = np.random.default_rng(seed).integers(0, config["vocab_size"], 300)
    np.testing.assert_array_equal(found.whole(ids), expected.whole(ids))
    assert {**found.config, "bos_token_id": None} == {**expected.config, "bos_token_id": None}


def test_blocks_of_4_bits_stay_blocks_where_they_are_cut(tmp_path):
    config = draw_config("phi3", 2) | {"hidden_size": 64, "num_attention_heads": 2, "num_key_value_heads": 1}
    config |= {"intermediate_size": 96, "num_hidden_layers": 2, "rope_scaling": None, "partial_rotary_factor": 1.0}
    kind = gguf.GGMLQuantizationType.Q4_0
    source = write_gguf(tmp_path / "t.gguf", config, draw_weights(config, 2), narrow=kind)
    packed = convert(source, tmp_path / "packed", "--weights", "q4")
    nodes = onnx.load(packed / "model.onnx", load_external_data=False).graph.node
    assert sum(node.op_type == "MatMulNBits" for node in nodes) == 2 * 7
    ids = np.arange(60) % config["vocab_size"]
    wide = Model(convert(source, tmp_path / "wide")).whole(ids)
    np.testing.assert_allclose(Model(packed).whole(ids), wide, atol=1e-4 * np.abs(wide).max())


@pytest.mark.parametrize("context, window", [(4096, 2047), (8192, None)])
def test_an_old_file_of_a_4k_model_has_its_window(context, window, tmp_path):
    config = draw_config("phi3", 1) | {"max_position_embeddings": context}
    source = write_gguf(tmp_path / "t.gguf", config, draw_weights(config, 1), without=["sliding_window"])
    folder = convert(source, tmp_path / "model")
    assert json.loads((folder / "config.json").read_text()).get("sliding_window") == window


@pytest.mark.parametrize(
    "seed, changes, words",
    [
        (2, {"keys": {"rope.scaling.type": "yarn"}}, ("phi3.rope.scaling.type", "yarn")),
        (0, {"keys": {"rope.scaling.type": "longrope"}}, ("phi3.rope.scaling.type", "longrope")),
        (0, {"keys": {"rope.scaling.attn_factor": 1.5}}, ("phi3.rope.scaling.attn_factor",)),
        (0, {"keys": {"rope.dimension_count": 7}}, ("phi3.rope.dimension_count",)),
        (0, {"keys": {"attention.sliding_window": 5.5}}, ("phi3.attention.sliding_window",)),
        (0, {"keys": {"expert_count": 16}}, ("phi3.expert_count",)),
        (0, {"keys": {"feed_forward_length": 8}}, ("ffn_down.weight: shape", "expected (", ", 8)")),
        (2, {"factors": [1.0, 2.0]}, ("tensor rope_factors_short.weight: shape (2,)",)),
    ],
    ids=str,
)
def test_what_does_not_fit_is_named(seed, changes, words, tmp_path):
    config = draw_config("phi3", seed)
    refused(tmp_path, write_gguf(tmp_path / "t.gguf", config, draw_weights(config, seed), **changes), "t.gguf", *words)
