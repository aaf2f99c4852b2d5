"""scripts/convert on Hugging Face folders: options that change the model work or are refused, and nothing stays behind.

    python3 -m pytest tests/python/test_convert_folder.py

test_families.py tests that the converted models are right.
"""

import hashlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx.external_data_helper import load_external_data_for_model
from tokenizers import Tokenizer

from converter import POINTED, POINTER, ROOT, convert, refused, run_convert
from onnx_model import Model
from seeded_models import FAMILIES, draw_config, draw_weights, write_folder, write_safetensors

SEED = 2


def write(folder: Path, family: str = "llama", drop=(), shards: int = 1, dtype=np.float32, **changes) -> Path:
    """A seeded model. `changes` edit its config after the weights were drawn (None removes a key)."""
    config = draw_config(family, SEED)
    tensors = {name: array.astype(dtype) for name, array in draw_weights(config, SEED).items() if name not in drop}
    config = {key: value for key, value in (config | changes).items() if key not in changes or value is not None}
    return write_folder(folder, config, tensors, shards)


def logits(folder: Path) -> np.ndarray:
    model = Model(folder)
    return model.whole(np.arange(40) % model.config["vocab_size"])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_folder_describes_the_model(family, tmp_path):
    source = write(tmp_path / "source", family, shards=3)
    folder = convert(source, tmp_path / "model", "--weights", "bfloat16")
    card, config = (json.loads((folder / name).read_text()) for name in ("card.json", "config.json"))
    drawn = draw_config(family, SEED)
    assert card["params"] == sum(array.size for array in draw_weights(drawn, SEED).values())
    modality = "protein" if family == "progen" else "linguistic"
    assert (card["name"], card["modality"], card["weights"]) == ("model-bfloat16", modality, "bfloat16")
    assert card["device"] == "cpu"
    assert card["architecture"] == family.removesuffix("_text")
    assert card["verified"] and "recorded" not in card
    read = {entry["file"]: entry["sha256"] for entry in card["sources"]}
    assert read == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in source.iterdir()}
    for key in ("vocab_size", "num_attention_heads", "bos_token_id", "eos_token_id", "tie_word_embeddings"):
        assert config[key] == drawn.get(key, drawn.get("n_head"))


@pytest.mark.parametrize("weights", ["float32", "bfloat16", "float16"])
def test_weights_have_the_type_asked_for_and_vectors_are_float32(weights, tmp_path):
    folder = convert(write(tmp_path / "source", "gpt_neox"), tmp_path / "model", "--weights", weights)
    assert {path.name for path in folder.iterdir() if "onnx" in path.name} == {"model.onnx", "model.onnx.data"}
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    outside = [i for i in model.graph.initializer if i.data_location == onnx.TensorProto.EXTERNAL]
    for initializer in outside:
        offset = next(int(entry.value) for entry in initializer.external_data if entry.key == "offset")
        assert offset % 4096 == 0
    load_external_data_for_model(model, str(folder))
    tensors = draw_weights(draw_config("gpt_neox", SEED), SEED)
    arrays = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}
    wanted = {"bfloat16": ml_dtypes.bfloat16}.get(weights, weights)
    embedding = tensors["gpt_neox.embed_in.weight"]
    # Rounding is to nearest even, as in numpy and ml_dtypes. If the type is the same, the values are unchanged.
    np.testing.assert_array_equal(arrays["embedding"], embedding.astype(wanted))
    up = tensors["gpt_neox.layers.0.mlp.dense_h_to_4h.weight"]
    np.testing.assert_array_equal(arrays["layers.0.ffn_up"], up.astype(wanted))
    np.testing.assert_array_equal(arrays["output_norm"], tensors["gpt_neox.final_layer_norm.weight"])
    assert {array.dtype for array in arrays.values() if array.ndim == 1 and array.dtype != np.int64} == {np.dtype("f4")}


def test_a_published_type_of_the_weights_is_exact(tmp_path):
    """bfloat16 weights give the same model, whether converted to bfloat16 or to float32."""
    source = write(tmp_path / "source", "qwen3", dtype=ml_dtypes.bfloat16)
    narrow = convert(source, tmp_path / "narrow", "--weights", "bfloat16")
    wide = convert(source, tmp_path / "wide")
    np.testing.assert_allclose(logits(narrow), logits(wide), atol=1e-5)


@pytest.mark.parametrize("value", [7e4, -7e4, np.inf, np.nan])
def test_a_weight_that_does_not_fit_is_refused_with_its_tensor(value, tmp_path):
    source = write(tmp_path / "source")
    config = draw_config("llama", SEED)
    tensors = draw_weights(config, SEED)
    tensors["model.layers.1.mlp.up_proj.weight"][3, 5] = value
    write_safetensors(source / "model.safetensors", tensors)
    words = ("model.layers.1.mlp.up_proj.weight", "float16")
    refused(tmp_path, source, *words, options=("--weights", "float16"))
    if np.isfinite(value):
        convert(source, tmp_path / "model", "--weights", "bfloat16")


@pytest.mark.parametrize(
    "family, key, value",
    [
        ("llama", "hidden_act", "gelu"),
        ("llama", "attention_bias", True),
        ("llama", "mlp_bias", True),
        ("llama", "rope_interleaved", True),
        ("llama", "some_new_option", 3),
        ("llama", "rope_scaling", {"rope_type": "yarn", "factor": 4.0}),
        ("llama", "rope_scaling", {"type": "dynamic", "factor": 2.0}),
        ("llama", "rope_scaling", {"rope_type": "linear"}),
        ("llama", "rope_scaling", {"rope_type": "linear", "factor": 2.0, "mscale": 1.0}),
        ("llama", "rope_scaling", {"rope_type": "linear", "factor": 2.0, "rope_theta": 3.0}),
        ("llama", "rope_scaling", {"rope_type": "linear", "factor": 2.0, "partial_rotary_factor": 0.5}),
        ("llama", "sliding_window", 4096),
        ("llama", "num_hidden_layers", 0),
        ("llama", "num_key_value_heads", True),
        ("llama", "rms_norm_eps", None),
        ("llama", "vocab_size", "many"),
        ("qwen3", "use_sliding_window", True),
        ("qwen3", "layer_types", ["sliding_attention"] * 4),
        ("qwen2", "use_sliding_window", True),
        ("qwen2", "use_mrope", True),
        ("mistral", "sliding_window", 0),
        ("mistral", "rope_scaling", {"rope_type": "yarn", "factor": 4.0}),
        ("olmo2", "attention_bias", True),
        ("gpt2", "activation_function", "relu"),
        ("gpt2", "scale_attn_by_inverse_layer_idx", True),
        ("gpt2", "n_head", 5),
        ("phi3", "rope_scaling", {"type": "yarn", "factor": 4.0}),
        ("phi3", "rope_scaling", {"type": "longrope", "short_factor": [1.0], "long_factor": [1.0]}),
        ("phi3", "rope_scaling", {"type": "longrope", "short_factor": None, "long_factor": None}),
        ("phi3", "lm_head_bias", True),
        ("progen", "n_head", 4),
        ("progen", "rotary_dim", 900),
        ("progen", "vocab_size_emb", 900),
        ("progen", "tie_word_embeddings", True),
        ("qwen2", "dual_chunk_attention_config", {"chunk_size": 262144}),
        ("gemma3_text", "final_logit_softcapping", 30.0),
        ("gemma3_text", "attn_logit_softcapping", 50.0),
        ("gemma3_text", "use_bidirectional_attention", True),
        ("gemma3_text", "hidden_activation", "gelu"),
        ("gemma3_text", "layer_types", ["full_attention"]),
        ("gemma3_text", "layer_types", 4),
        ("gemma3_text", "rope_parameters", {"full_attention": {}, "sliding_attention": {"factor": 8.0}}),
        ("gemma3_text", "rope_parameters", {"full_attention": {}, "sliding_attention": {}, "other_attention": {}}),
        ("gemma3_text", "rope_parameters", {"full_attention": {}, "sliding_attention": {"rope_type": "linear"}}),
        ("gpt_neox", "attention_bias", False),
        ("gpt_neox", "hidden_act", "gelu_fast"),
        ("gpt_neox", "rotary_pct", 1.5),
    ],
)
def test_an_option_that_is_not_supported_is_named(family, key, value, tmp_path):
    refused(tmp_path, write(tmp_path / "source", family, **{key: value}), "config.json", f'"{key}"')


def test_an_unknown_model_type_is_named_with_the_known_ones_and_the_ways_that_remain(tmp_path):
    known = ('"mamba2"', "llama", "qwen3", "gpt_neox")
    ways = ("optimum-cli export onnx --task text-generation-", "exec:python3 scripts/engines/hf-transformers.py")
    refused(tmp_path, write(tmp_path / "source", model_type="mamba2"), *known, *ways)


def test_newer_spellings_of_the_rotary_options_are_the_same_model(tmp_path):
    """transformers 5 writes rope_parameters and puts llama3's scaling into it."""
    scaling = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 32}
    old = write(tmp_path / "old", rope_theta=2e4, rope_scaling=scaling)
    new = write(tmp_path / "new", rope_theta=None, rope_scaling=None, rope_parameters=scaling | {"rope_theta": 2e4})
    plain = write(tmp_path / "plain", rope_theta=2e4, rope_scaling=None)
    answers = [logits(convert(source, tmp_path / f"{source.name}-model")) for source in (old, new, plain)]
    np.testing.assert_array_equal(answers[0], answers[1])
    assert np.abs(answers[0] - answers[2]).max() > 1e-2
    far, near = {"rope_type": "linear", "factor": 8.0, "rope_theta": 5e5}, {"rope_type": "default", "rope_theta": 3e4}
    old = write(tmp_path / "g-old", "gemma3_text", rope_theta=5e5, rope_local_base_freq=3e4,
                rope_scaling={"rope_type": "linear", "factor": 8.0})
    new = write(tmp_path / "g-new", "gemma3_text", rope_theta=None, rope_local_base_freq=None, rope_scaling=None,
                rope_parameters={"full_attention": far, "sliding_attention": near})
    answers = [logits(convert(source, tmp_path / f"{source.name}-model")) for source in (old, new)]
    np.testing.assert_array_equal(*answers)


def test_newer_names_of_progens_sizes_are_the_same_model(tmp_path):
    """The config.json of xlarge has no vocab_size."""
    config = draw_config("progen", SEED)
    rows, width = config["vocab_size"], config["n_embd"]
    names = {"vocab_size": None, "n_embd": None, "vocab_size_emb": rows, "vocab_size_lm_head": rows, "embed_dim": width}
    old, new = write(tmp_path / "old", "progen"), write(tmp_path / "new", "progen", **names)
    answers = [logits(convert(source, tmp_path / f"{source.name}-model")) for source in (old, new)]
    np.testing.assert_array_equal(*answers)


def test_a_part_of_rotated_dimensions_is_not_passed_over(tmp_path):
    newer = {"rope_type": "default", "rope_theta": 2e4, "partial_rotary_factor": 0.5}
    source = write(tmp_path / "source", rope_theta=None, rope_scaling=None, rope_parameters=newer)
    refused(tmp_path, source, "partial_rotary_factor")


def test_a_missing_tensor_is_named(tmp_path):
    name = "model.layers.1.self_attn.k_proj.weight"
    refused(tmp_path, write(tmp_path / "source", drop=[name]), name, "missing")


def test_an_unknown_tensor_is_named_and_known_ballast_is_not_read(tmp_path):
    source = write(tmp_path / "source")
    tensors = draw_weights(draw_config("llama", SEED), SEED)
    ballast = {"model.layers.0.self_attn.rotary_emb.inv_freq": np.ones(4, np.float32)}
    write_safetensors(source / "model.safetensors", tensors | ballast)
    convert(source, tmp_path / "with-ballast")
    write_safetensors(source / "model.safetensors", tensors | {"model.layers.0.adapter.weight": np.ones(4, np.float32)})
    refused(tmp_path, source, "model.layers.0.adapter.weight")


@pytest.mark.parametrize("family, embedding, head", [
    ("llama", "model.embed_tokens.weight", "lm_head.weight"),
    ("gpt_neox", "gpt_neox.embed_in.weight", "embed_out.weight"),
])
def test_a_tied_matrix_may_have_either_name_or_both(family, embedding, head, tmp_path):
    source = write(tmp_path / "source", family)
    expected = convert(source, tmp_path / "model")
    tensors = draw_weights(draw_config(family, SEED), SEED)
    matrix = tensors.pop(embedding)
    for names in ({head: matrix}, {embedding: matrix, head: np.zeros_like(matrix)}):
        write_safetensors(source / "model.safetensors", tensors | names)
        folder = convert(source, tmp_path / f"model-{len(names)}")
        assert (folder / "model.onnx.data").read_bytes() == (expected / "model.onnx.data").read_bytes()
    write_safetensors(source / "model.safetensors", tensors)
    refused(tmp_path, source, f"{embedding}: missing", name="other")


def test_a_tensor_of_another_shape_is_refused(tmp_path):
    source = write(tmp_path / "source", intermediate_size=64)
    refused(tmp_path, source, "model.layers.0.mlp.", "shape", "expected")


@pytest.mark.parametrize(
    "name", ["config.json", "tokenizer.json", "model.safetensors.index.json", "model-00002-of-00002.safetensors"]
)
def test_a_git_lfs_pointer_is_named(name, tmp_path):
    source = write(tmp_path / "source", shards=2)
    assert (source / name).is_file()
    (source / name).write_text(POINTER)
    refused(tmp_path, source, f"{name}: {POINTED}")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_texts_are_read_whatever_editor_wrote_them(encoding, tmp_path):
    source = write(tmp_path / "source")
    expected = convert(source, tmp_path / "model")
    for name in ("config.json", "tokenizer.json"):
        path = source / name
        path.write_text(path.read_text(), encoding=encoding)
    edited = convert(source, tmp_path / "edited")
    for name in ("config.json", "tokenizer.json", "model.onnx"):
        assert (edited / name).read_bytes() == (expected / name).read_bytes()


@pytest.mark.parametrize("kept", [0, 7, 100, 0.3, 0.9999])
def test_a_truncated_file_is_refused(kept, tmp_path):
    source = write(tmp_path / "source")
    path = source / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[: kept if isinstance(kept, int) else int(len(data) * kept)])
    refused(tmp_path, source, "model.safetensors", "truncated")


@pytest.mark.parametrize(
    "header",
    [
        b"not json",
        b"[1]",
        b'{"a": 3}',
        b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F32", "shape": ["x"], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 400]}}',
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}}',
    ],
)
def test_a_mangled_header_is_refused(header, tmp_path):
    source = write(tmp_path / "source")
    (source / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"\0" * 8)
    refused(tmp_path, source, "model.safetensors", "damaged")


def test_a_quantised_tensor_is_refused_with_its_type(tmp_path):
    source = write(tmp_path / "source")
    path = source / "model.safetensors"
    # I32 is as wide as F32, so the file is complete.
    path.write_bytes(path.read_bytes().replace(b'"F32"', b'"I32"'))
    refused(tmp_path, source, "I32", "tensor")


# As in Qwen3's FP8 folders, except for the block size.
FP8 = {"quant_method": "fp8", "activation_scheme": "dynamic", "fmt": "e4m3", "weight_block_size": [48, 32],
       "modules_to_not_convert": ["lm_head", "model.layers.0.input_layernorm"]}
INSTEAD = "convert the model that was quantised, or a GGUF file of it, or let transformers answer: infer --model 'exec:"


def quantised(tensors: dict, dtype, rows: int, columns: int) -> tuple[dict, dict]:
    """The layers' matrices as 8-bit floats with block scales of type `dtype`, and the weights that they represent."""
    narrow, wide = {}, {}
    for name, array in tensors.items():
        if not name.endswith("proj.weight"):
            narrow[name] = wide[name] = array
            continue
        largest = np.zeros([-(-size // length) for size, length in zip(array.shape, (rows, columns))])
        for (i, j), _ in np.ndenumerate(largest):
            largest[i, j] = np.abs(array[i * rows : (i + 1) * rows, j * columns : (j + 1) * columns]).max()
        scales = (largest / 448).astype(dtype)
        each = np.kron(scales.astype(np.float64), np.ones((rows, columns)))[: array.shape[0], : array.shape[1]]
        narrow[name] = (array / each).astype(ml_dtypes.float8_e4m3fn)
        narrow[f"{name}_scale_inv"] = scales
        wide[name] = (narrow[name].astype(np.float64) * each).astype(np.float32)
    return narrow, wide


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
def test_8_bit_floats_are_their_numbers_times_their_blocks_scales(dtype, tmp_path):
    config = draw_config("qwen3", SEED)
    narrow, wide = quantised(draw_weights(config, SEED), dtype, *FP8["weight_block_size"])
    source = write_folder(tmp_path / "source", config | {"quantization_config": FP8}, narrow, shards=2)
    expected = write_folder(tmp_path / "wide", config, wide)
    folders = [convert(path, tmp_path / f"{path.name}-model") for path in (source, expected)]
    ours, theirs = ((folder / "model.onnx.data").read_bytes() for folder in folders)
    assert ours == theirs
    cards = [json.loads((folder / "card.json").read_text()) for folder in folders]
    assert cards[0]["params"] == cards[1]["params"]


def test_8_bit_floats_without_their_scales_are_refused_with_what_remains(tmp_path):
    config = draw_config("qwen3", SEED) | {"quantization_config": FP8}
    narrow, _ = quantised(draw_weights(config, SEED), np.float32, *FP8["weight_block_size"])
    name = "model.layers.1.mlp.up_proj.weight"
    scales = narrow.pop(f"{name}_scale_inv")
    refused(tmp_path, write_folder(tmp_path / "none", config, narrow), f"tensor {name}: F8_E4M3 without", INSTEAD)
    for key, value in ((f"{name}_scale", scales), (f"{name}_scale_inv", scales[:, 1:])):
        source = write_folder(tmp_path / key.rpartition(".")[2], config, narrow | {key: value})
        refused(tmp_path, source, name)
    source = write_folder(tmp_path / "silent", draw_config("qwen3", SEED), narrow | {f"{name}_scale_inv": scales})
    refused(tmp_path, source, "F8_E4M3 without", INSTEAD)


@pytest.mark.parametrize(
    "options, word",
    [
        ({"quant_method": "fp8"}, "no tensor is F8_E4M3"),
        ({"quant_method": "gptq", "bits": 4}, "'gptq' is not supported"),
        ({"quant_method": "awq"}, "'awq' is not supported"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "'bitsandbytes' is not supported"),
        ({"load_in_8bit": True}, "load_in_8bit"),
        (FP8 | {"activation_scheme": "static"}, "activation_scheme"),
        (FP8 | {"fmt": "e5m2"}, "fmt"),
        (FP8 | {"weight_block_size": [128]}, "weight_block_size"),
        ("fp8", "expected an object"),
    ],
    ids=str,
)
def test_another_quantisation_is_named_with_what_remains_and_no_advice_to_delete_it(options, word, tmp_path):
    source = write(tmp_path / "source", quantization_config=options)
    refused(tmp_path, source, "config.json", '"quantization_config"', word, *([INSTEAD] if options != "fp8" else []))
    assert "take it out" not in run_convert(source, "-o", tmp_path / "model").stderr


def test_an_index_must_place_every_tensor_in_the_folder(tmp_path):
    source = write(tmp_path / "source", shards=2)
    path = source / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    name = next(iter(index["weight_map"]))
    for where, word in (("../outside.safetensors", "outside"), ("missing.safetensors", "missing.safetensors")):
        path.write_text(json.dumps({"weight_map": index["weight_map"] | {name: where}}))
        refused(tmp_path, source, word)
    (source / "model-00002-of-00002.safetensors").unlink()
    path.write_text(json.dumps(index))
    refused(tmp_path, source, "model-00002-of-00002.safetensors")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_file_that_is_missing_is_named(name, tmp_path):
    source = write(tmp_path / "source")
    (source / name).unlink()
    refused(tmp_path, source, name)


SPECIAL = json.loads((ROOT / "tests" / "fixtures" / "models" / "special-tokens.json").read_text())


@pytest.mark.parametrize("case", SPECIAL["cases"], ids=lambda case: case["name"])
def test_texts_begin_and_answers_end_as_in_transformers(case, tmp_path):
    """A converted folder has all that `infer` reads in an original one (src/predictor/onnx/folder/vocabulary.rs)."""
    source = write(tmp_path / "source")
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        path = source / name
        drawn = json.loads(path.read_text()) if name == "config.json" else {}
        path.unlink(missing_ok=True)
        if name in SPECIAL or name in case:
            path.write_text(json.dumps(drawn | SPECIAL.get(name, {}) | case.get(name, {})))
    if "refused" in case:
        refused(tmp_path, source, case["refused"])
        return
    folder = convert(source, tmp_path / "model")
    assert {path.name for path in folder.iterdir()}.isdisjoint({"tokenizer_config.json", "generation_config.json"})
    *first, _ = Tokenizer.from_file(str(folder / "tokenizer.json")).encode("A").ids
    end = json.loads((folder / "config.json").read_text())["eos_token_id"]
    assert (first, [] if end is None else end if isinstance(end, list) else [end]) == (case["first"], case["end"])


def test_a_token_beyond_the_vocabulary_is_refused(tmp_path):
    source = write(tmp_path / "source")
    path = source / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    tokenizer["added_tokens"][0]["id"] = 10**6
    path.write_text(json.dumps(tokenizer))
    refused(tmp_path, source, "tokenizer.json", "1000000", "vocab_size")


RECORD = {
    "reference": "transformers 4.57.6 float32",
    "input_ids": [5, 6, 7],
    "positions": [0, 2],
    "ids": [[3, 1], [8]],
    "logits": [[1.5, 0.25], [-2]],
}


def test_recorded_logits_go_into_the_card(tmp_path):
    (tmp_path / "record.json").write_text(json.dumps(RECORD))
    folder = convert(write(tmp_path / "source"), tmp_path / "model", "--record", tmp_path / "record.json")
    assert json.loads((folder / "card.json").read_text())["recorded"] == RECORD


@pytest.mark.parametrize(
    "change",
    [{"positions": [3, 0]}, {"positions": [-1, 0]}, {"input_ids": []}, {"ids": [[3, 1]]}, {"ids": [[], [8]]},
     {"logits": [[1.5], [-2]]}, {"logits": [[1.5, None], [-2]]}, {"reference": 3}],
)
def test_a_record_that_is_none_is_refused(change, tmp_path):
    (tmp_path / "record.json").write_text(json.dumps(RECORD | change))
    source = write(tmp_path / "source")
    refused(tmp_path, source, "record.json", next(iter(change)), options=("--record", tmp_path / "record.json"))


@pytest.fixture
def scratch():
    """A folder for large files. pytest would keep those of its last three runs."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def write_wide(folder: Path, rows: int) -> Path:
    """A one-layer model whose two token matrices are `rows` x 512: it is large without large layers."""
    source = write(folder, "llama")
    config = draw_config("llama", SEED) | {
        "vocab_size": rows, "hidden_size": 512, "intermediate_size": 64, "num_hidden_layers": 1,
        "num_attention_heads": 8, "num_key_value_heads": 8, "head_dim": 64, "tie_word_embeddings": False,
    }
    (source / "config.json").write_text(json.dumps(config))
    rng = np.random.default_rng(0)
    matrix = lambda *shape: rng.normal(0, 0.05, shape).astype(ml_dtypes.bfloat16)
    layer = {f"self_attn.{name}_proj": matrix(512, 512) for name in "qkvo"}
    layer |= {"mlp.gate_proj": matrix(64, 512), "mlp.up_proj": matrix(64, 512), "mlp.down_proj": matrix(512, 64)}
    layer |= {"input_layernorm": np.ones(512, np.float32), "post_attention_layernorm": np.ones(512, np.float32)}
    tensors = {f"model.layers.0.{name}.weight": array for name, array in layer.items()}
    tokens = matrix(rows, 512)
    tensors |= {"model.embed_tokens.weight": tokens, "lm_head.weight": tokens, "model.norm.weight": np.ones(512, "f4")}
    write_safetensors(source / "model.safetensors", tensors)
    return source


def test_memory_is_one_tensor_and_little_more(scratch):
    """Two tensors of 307 MB become 1.2 GB of float32. The peak is one tensor and a block."""
    source = write_wide(scratch / "source", 300_000)
    # Start the converter from a small process: Linux counts the memory that a process had before its exec.
    measure = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [sys.executable, "-c", measure, sys.executable, ROOT / "scripts" / "convert", source]
    command += ["-o", scratch / "model"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    assert (scratch / "model" / "model.onnx.data").stat().st_size > 1.2e9
    assert int(done.stdout) * 1024 < 307e6 + 400e6


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_conversion_leaves_nothing_under_the_models_name(kind, scratch):
    source = write_wide(scratch / "source", 300_000)
    command = [sys.executable, ROOT / "scripts" / "convert", source, "-o", scratch / "model"]
    process = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True)
    begun = lambda: [path for path in scratch.glob(".model.*/model.onnx.data") if path.stat().st_size > 1 << 20]
    while not begun():
        assert process.poll() is None, "the conversion was over before it could be interrupted"
        time.sleep(0.001)
    process.send_signal(kind)
    _, message = process.communicate(timeout=60)
    assert not (scratch / "model").exists()
    hidden = [path.name for path in scratch.iterdir() if path.name.startswith(".model.")]
    if kind == signal.SIGKILL:
        assert process.returncode == -kind and len(hidden) == 1
    else:
        assert process.returncode == 128 + kind and hidden == [] and message == ""
    # Neither failure blocks the next attempt.
    convert(source, scratch / "model")


def test_usage_errors_exit_with_2(tmp_path):
    source = write(tmp_path / "source")
    assert run_convert(source).returncode == 2
    assert run_convert(source, "-o", tmp_path / "model", "--weights", "int8").returncode == 2
    assert run_convert(source, "-o", tmp_path / "model", "--device", "tpu").returncode == 2
    done = run_convert(source, "-o", tmp_path / "model", "--device", "cuda", "--weights", "float16")
    assert done.returncode == 2 and "--weights float16: not for --device cuda (bfloat16, float32)" in done.stderr
