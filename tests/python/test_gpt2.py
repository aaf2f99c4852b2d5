"""GPT-2 cases not in test_families.py: nanoGPT checkpoints, GGUF, old names, and prompts beyond the last position.

    SHOTLINE_BIN=target/release python3 -m pytest tests/python/test_gpt2.py
"""

import json
import math
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import gguf
import numpy as np
import onnx
import pytest

import filters
from converter import ROOT, convert, refused
from filters import filtered
from onnx_model import Model
from seeded_models import TOKENS, draw_config, draw_weights, write_folder, write_safetensors

sys.path.append(str(ROOT / "tests" / "oracle"))

from evo2_checkpoint import pickled, text  # noqa: E402

CHARACTERS = " #+-.0123456789;=BKNOQRabcdefgh>\n"
ARGUMENTS = {"n_layer": 3, "n_head": 4, "n_embd": 64, "block_size": 200, "vocab_size": len(CHARACTERS) + 3, "dropout": 0.0}
META = {"vocab_size": len(CHARACTERS), "stoi": {c: i for i, c in enumerate(CHARACTERS)}, "itos": dict(enumerate(CHARACTERS))}
IDS = np.random.default_rng(3).integers(0, ARGUMENTS["vocab_size"], 70)


def nano_weights(bias: bool) -> dict[str, np.ndarray]:
    """A nanoGPT model under nanoGPT's names, matrices [out, in]. Its output matrix is its embedding."""
    a = ARGUMENTS
    config = draw_config("gpt2", 1) | {"n_inner": None, "n_positions": a["block_size"], "tie_word_embeddings": True}
    drawn = draw_weights(config | {key: a[key] for key in ("n_layer", "n_head", "n_embd", "vocab_size")}, 1)
    turned = {name: array.T if ".c_" in name else array for name, array in drawn.items()}
    table = {name: array for name, array in turned.items() if bias or not name.endswith(".bias")}
    return table | {"lm_head.weight": table["transformer.wte.weight"]}


def write_nano(
    folder: Path, bias: bool = True, prefix: str = "", more: dict | None = None, meta=META, arguments: dict | None = None
) -> Path:
    """Writes out/ckpt.pt as nanoGPT's train.py does, and the meta.pkl of its data."""
    folder.mkdir()
    table = {prefix + name: np.ascontiguousarray(array) for name, array in (nano_weights(bias) | (more or {})).items()}
    plain = {"model_args": ARGUMENTS | {"bias": bias} | (arguments or {}), "iter_num": 600, "config": {"dataset": "chess"}}
    # Each pickle without its header and its STOP opcode.
    content = b"\x80\x02}(" + text("model") + pickled(table)[2:-1]
    content += b"".join(text(key) + pickle.dumps(value, 2)[2:-1] for key, value in plain.items()) + b"u."
    with zipfile.ZipFile(folder / "ckpt.pt", "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("ckpt/data.pkl", content)
        for number, array in enumerate(table.values()):
            archive.writestr(f"ckpt/data/{number}", array.tobytes())
    if meta is not None:
        (folder / "meta.pkl").write_bytes(pickle.dumps(meta))
    return folder


def forward(weights: dict[str, np.ndarray], ids: np.ndarray, heads: int) -> np.ndarray:
    """nanoGPT's model.py in plain numpy, float64: logits at every position."""
    w = {name.removeprefix("transformer."): array.astype(np.float64) for name, array in weights.items()}
    linear = lambda x, name: x @ w[f"{name}.weight"].T + w.get(f"{name}.bias", 0)

    def norm(x, name):
        x = x - x.mean(-1, keepdims=True)
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * w[f"{name}.weight"] + w.get(f"{name}.bias", 0)

    x = w["wte.weight"][ids] + w["wpe.weight"][: len(ids)]
    for i in range(ARGUMENTS["n_layer"]):
        q, k, v = np.split(linear(norm(x, f"h.{i}.ln_1"), f"h.{i}.attn.c_attn"), 3, -1)
        out = []
        for q, k, v in zip(*(np.split(part, heads, -1) for part in (q, k, v))):
            scores = np.where(np.tri(len(ids)) > 0, q @ k.T / np.sqrt(q.shape[1]), -np.inf)
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            out.append(scores / scores.sum(-1, keepdims=True) @ v)
        x = x + linear(np.concatenate(out, -1), f"h.{i}.attn.c_proj")
        h = linear(norm(x, f"h.{i}.ln_2"), f"h.{i}.mlp.c_fc")
        x = x + linear(h * 0.5 * (1 + np.vectorize(math.erf)(h / 2**0.5)), f"h.{i}.mlp.c_proj")
    return norm(x, "ln_f") @ w["lm_head.weight"].T


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("options", [(), ("--device", "cuda", "--weights", "float32")], ids=["cpu", "cuda"])
def test_a_checkpoint_of_nano_gpts_is_its_model(bias, options, tmp_path):
    mask = {"transformer.h.0.attn.bias": np.tri(200, dtype=np.float32)[None, None]}
    source = write_nano(tmp_path / "out", bias, prefix="_orig_mod.", more=mask)
    model = Model(convert(source, tmp_path / "model", *options))
    expected = forward(nano_weights(bias), IDS, ARGUMENTS["n_head"])
    for logits in (model.whole(IDS), model.chunks(IDS, [50, 1, 19])):
        assert np.abs(logits - expected).max() / np.abs(expected).max() < 1e-5
    card = json.loads((tmp_path / "model" / "card.json").read_text())
    assert card["params"] == sum(array.size for name, array in nano_weights(bias).items() if "lm_head" not in name)
    assert {entry["file"] for entry in card["sources"]} == {"ckpt.pt", "meta.pkl"}


def infer(folder: Path, *encoding: str, shots: int = 2) -> subprocess.CompletedProcess:
    """Runs infer on one prompt."""
    trials = filtered("gen-tasks", *f"--task rotl1 --bits 4 --shots {shots} --trials 1 --seed 5".split())
    return filters.infer(folder, filtered("encode", *encoding, text=trials))


def test_infer_answers_in_the_characters_of_a_checkpoint(tmp_path):
    folder = convert(write_nano(tmp_path / "out"), tmp_path / "model")
    done = infer(folder, "--alphabet", "chars:abcdefgh", "--prefix", ";")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    ids = [META["stoi"][c] for c in record["prompt"]]
    for _ in range(4):
        ids.append(int(forward(nano_weights(True), np.array(ids), 4)[-1, : len(CHARACTERS)].argmax()))
    assert record["output"] == "".join(CHARACTERS[id] for id in ids[-4:]) and not record["bos"]
    done = infer(folder, "--alphabet", "xyz")
    assert done.returncode == 1 and done.stdout == "" and "symbol \"x\" is not one token" in done.stderr, done.stderr


def test_a_prompt_beyond_the_last_place_is_refused(tmp_path):
    folder = convert(write_nano(tmp_path / "out"), tmp_path / "model")
    done = infer(folder, "--alphabet", "chars:abcdefgh", shots=15)
    assert done.returncode == 0, done.stderr
    shorter = {"transformer.wpe.weight": nano_weights(True)["transformer.wpe.weight"][:40]}
    folder = convert(write_nano(tmp_path / "40", more=shorter, arguments={"block_size": 40}), tmp_path / "short")
    done = infer(folder, "--alphabet", "chars:abcdefgh", shots=15)
    assert done.returncode != 0 and done.stdout == "" and "40" in done.stderr, done.stderr


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"meta": None}, ("meta.pkl: no such file", "characters")),
        ({"meta": {"vocab_size": 3}}, ("meta.pkl", "stoi")),
        ({"meta": {"stoi": {"ab": 0}}}, ("meta.pkl", "stoi")),
        ({"meta": {"stoi": {"a": 900}}}, ("meta.pkl", "stoi")),
        ({"meta": {"stoi": os.path.join}}, ("meta.pkl: refused", "posixpath.join")),
        ({"arguments": {"n_experts": 4}}, ("ckpt.pt: model_args", "n_experts")),
        ({"arguments": {"n_head": 5}}, ("ckpt.pt: model_args", "n_head")),
        ({"arguments": {"n_layer": 4}}, ("transformer.h.3", "missing")),
        ({"arguments": {"block_size": 100}}, ("wpe.weight", "shape (200, 64), expected (100, 64)")),
    ],
    ids=str,
)
def test_what_does_not_fit_is_named(changes, words, tmp_path):
    refused(tmp_path, write_nano(tmp_path / "out", **changes), *words)


def test_published_names_are_the_same_model(tmp_path):
    """The published tensor names of gpt2 itself lack `transformer.`, and its file includes the causal mask."""
    config = draw_config("gpt2", 11)
    tensors = draw_weights(config, 11)
    expected = convert(write_folder(tmp_path / "source", config, tensors), tmp_path / "model")
    old = {name.removeprefix("transformer."): array for name, array in tensors.items()}
    write_safetensors(tmp_path / "source" / "model.safetensors", old | {"h.0.attn.bias": np.ones((1, 1, 9, 9), np.float32)})
    found = convert(tmp_path / "source", tmp_path / "other")
    assert (found / "model.onnx.data").read_bytes() == (expected / "model.onnx.data").read_bytes()


def write_gguf(path: Path, config: dict, tensors: dict[str, np.ndarray], narrow=None) -> Path:
    """Writes the model as llama.cpp's converter does. `narrow` is the type of the layers' matrices."""
    w = gguf.GGUFWriter(path, "gpt2")
    w.add_block_count(config["n_layer"])
    w.add_context_length(config["n_positions"])
    w.add_embedding_length(config["n_embd"])
    w.add_feed_forward_length(config["n_inner"] or 4 * config["n_embd"])
    w.add_head_count(config["n_head"])
    w.add_layer_norm_eps(config["layer_norm_epsilon"])
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list(TOKENS + [f"[{i}]" for i in range(config["vocab_size"] - len(TOKENS))])
    w.add_token_merges(["A T", "G C"])
    w.add_eos_token_id(0)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.GPT2, config["n_layer"])
    for name, array in tensors.items():
        array = np.ascontiguousarray(array.T if ".c_" in name else array)
        own = names.get_name(name, (".weight", ".bias"))
        if narrow is not None and ".c_" in name and array.ndim == 2:
            w.add_tensor(own, gguf.quants.quantize(array, narrow), raw_dtype=narrow)
        else:
            w.add_tensor(own, array)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    return path


@pytest.mark.parametrize("seed", [11, 12], ids=["untied", "tied"])
def test_gguf_is_the_same_model(seed, tmp_path):
    config = draw_config("gpt2", seed)
    tensors = draw_weights(config, seed)
    expected = Model(convert(write_folder(tmp_path / "source", config, tensors), tmp_path / "model"))
    found = Model(convert(write_gguf(tmp_path / "t.gguf", config, tensors), tmp_path / "other"))
    ids = np.arange(60) % config["vocab_size"]
    np.testing.assert_array_equal(found.whole(ids), expected.whole(ids))
    assert {**found.config, "bos_token_id": None} == {**expected.config, "bos_token_id": None}


def test_blocks_of_4_bits_stay_blocks_where_they_are_cut(tmp_path):
    config = draw_config("gpt2", 12) | {"n_embd": 64, "n_head": 2, "n_layer": 2, "n_inner": 96}
    kind = gguf.GGMLQuantizationType.Q4_1
    source = write_gguf(tmp_path / "t.gguf", config, draw_weights(config, 12), kind)
    packed = convert(source, tmp_path / "packed", "--weights", "q4")
    nodes = onnx.load(packed / "model.onnx", load_external_data=False).graph.node
    assert sum(node.op_type == "MatMulNBits" for node in nodes) == 2 * 6
    ids = np.arange(60) % config["vocab_size"]
    wide = Model(convert(source, tmp_path / "wide")).whole(ids)
    np.testing.assert_allclose(Model(packed).whole(ids), wide, atol=1e-4 * np.abs(wide).max())
