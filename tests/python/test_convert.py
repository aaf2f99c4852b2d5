"""scripts/convert on GGUF files: converts the model, refuses unsupported files, and leaves nothing behind on failure.

    python3 -m pytest tests/python/test_convert.py

Needs scripts/requirements/test.txt. If SHOTLINE_SMOLLM2_DIR or SHOTLINE_GEMMA_DIR name folders of converted models,
those are also compared with transformers' logits in tests/fixtures/models.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import gguf
import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
from tokenizers import Tokenizer

from converter import POINTED, POINTER, ROOT, convert, refused, run_convert
from filters import filtered, infer
from onnx_model import Model

BIN = Path(os.environ.get("SHOTLINE_BIN", ROOT / "target" / "release"))
FIXTURES = ROOT / "tests" / "fixtures" / "models"
LAYERS, WIDTH, HEADS, KV_HEADS, HEAD_DIM, HIDDEN, WINDOW = 7, 48, 4, 2, 16, 40, 5
EPSILON, BASE, LOCAL_BASE = 1e-6, 50000.0, 10000.0
LENGTH = 23
REQUANTISE = "llama-quantize --allow-requantize"
# Architectures with a byte-level vocabulary, and the name of the pre-tokenizer in their files.
BYTE_LEVEL = {"llama": "smollm", "qwen3": "qwen2", "qwen2": "qwen2", "olmo2": "dbrx"}


def vocabulary(arch: str) -> dict:
    """A vocabulary of the architecture's kind: tokens, types, and merges or scores."""
    kind = gguf.TokenType
    if arch in BYTE_LEVEL:
        tokens = ["<|end|>", "\u010a", "\u0120", *(chr(c) for c in range(0x21, 0x7F)), "AT", "10", "ATC"]
        return {"tokens": tokens, "types": [kind.CONTROL] + [kind.NORMAL] * (len(tokens) - 1),
                "merges": ["A T", "1 0", "AT C"]}
    special = [("<pad>", kind.CONTROL), ("<eos>", kind.CONTROL), ("<bos>", kind.CONTROL), ("<unk>", kind.CONTROL),
               ("\n", kind.USER_DEFINED), ("\n\n", kind.USER_DEFINED), ("  ", kind.USER_DEFINED)]
    special += [(f"<0x{b:02X}>", kind.BYTE) for b in range(256)]
    # The second piece has the best score, so the order of merges cannot be read from the ids.
    pieces = ["ab", "bc", "\u2581a", "\u2581", *"abc01"]
    scores = [-1000.0] * 7 + [0.0] * 256 + [-1.0, 0.0] + [-float(i) for i in range(2, len(pieces))]
    return {"tokens": [t for t, _ in special] + pieces,
            "types": [t for _, t in special] + [kind.NORMAL] * len(pieces), "scores": scores}


def weights(arch: str, tied: bool, seed: int = 7) -> dict[str, np.ndarray]:
    """Random weights under GGUF's names, [out, in]. llama's Q and K are in Hugging Face's order."""
    rng = np.random.default_rng(seed)
    rows = len(vocabulary(arch)["tokens"])
    draw = lambda *shape: rng.normal(0, 0.25, shape).astype(np.float32)
    near_one = lambda n: rng.uniform(0.5, 1.5, n).astype(np.float32)
    q, kv = HEADS * HEAD_DIM, KV_HEADS * HEAD_DIM
    table = {"token_embd": draw(rows, WIDTH), "output_norm": near_one(WIDTH)}
    if not tied:
        table["output"] = draw(rows, WIDTH)
    for i in range(LAYERS):
        table |= {
            f"blk.{i}.attn_norm": near_one(WIDTH),
            f"blk.{i}.attn_q": draw(q, WIDTH),
            f"blk.{i}.attn_k": draw(kv, WIDTH),
            f"blk.{i}.attn_v": draw(kv, WIDTH),
            f"blk.{i}.attn_output": draw(WIDTH, q),
            f"blk.{i}.ffn_norm": near_one(WIDTH),
            f"blk.{i}.ffn_gate": draw(HIDDEN, WIDTH),
            f"blk.{i}.ffn_up": draw(HIDDEN, WIDTH),
            f"blk.{i}.ffn_down": draw(WIDTH, HIDDEN),
        }
        if arch == "qwen2":
            table |= {f"blk.{i}.attn_{part}.bias": draw(size) for part, size in (("q", q), ("k", kv), ("v", kv))}
        if arch in ("qwen3", "gemma3"):
            table |= {f"blk.{i}.attn_q_norm": near_one(HEAD_DIM), f"blk.{i}.attn_k_norm": near_one(HEAD_DIM)}
        if arch == "gemma3":
            table |= {
                f"blk.{i}.post_attention_norm": near_one(WIDTH),
                f"blk.{i}.post_ffw_norm": near_one(WIDTH),
            }
        if arch == "olmo2":
            del table[f"blk.{i}.attn_norm"], table[f"blk.{i}.ffn_norm"]
            sizes = {"attn_q_norm": q, "attn_k_norm": kv, "post_attention_norm": WIDTH, "post_ffw_norm": WIDTH}
            table |= {f"blk.{i}.{name}": near_one(size) for name, size in sizes.items()}
    return table


def interleaved(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of Q or K as llama.cpp stores them: rows i and i + d/2 of a head are next to each other."""
    return np.concatenate([
        np.stack([head[: len(head) // 2], head[len(head) // 2 :]], 1).reshape(head.shape)
        for head in np.split(weight, heads)
    ])


def write_gguf(path: Path, arch: str, tied: bool = True, extra: str | None = None, says: str | None = None,
               omit: str | None = None, head_dim: int = HEAD_DIM, factors: np.ndarray | None = None,
               keys: dict | None = None, without: tuple = (), tensors: int = 0, bare_first: bool = False,
               narrow: gguf.GGMLQuantizationType | None = None, renamed: dict | None = None) -> Path:
    """A GGUF file with the tiny model; the options change or spoil it. `says`: the architecture it claims. `keys`: more
    metadata; keys of the model's own section go without the architecture. `without`: endings of keys to leave out.
    `tensors`: tensors per part (`bare_first`: none in the first part). `narrow`: the type of matrices. `renamed`: other
    texts for tokens."""
    w, words = gguf.GGUFWriter(path, says or arch, split_max_tensors=tensors), vocabulary(arch)
    words["tokens"] = [(renamed or {}).get(token, token) for token in words["tokens"]]
    w.add_license("MIT")
    w.add_block_count(LAYERS)
    w.add_context_length(64)
    w.add_embedding_length(WIDTH)
    w.add_feed_forward_length(HIDDEN)
    w.add_head_count(HEADS)
    w.add_head_count_kv(KV_HEADS)
    w.add_key_length(head_dim)
    w.add_value_length(head_dim)
    w.add_layer_norm_rms_eps(EPSILON)
    w.add_rope_freq_base(BASE)
    w.add_token_list(words["tokens"])
    w.add_token_types(words["types"])
    if arch in BYTE_LEVEL:
        w.add_tokenizer_model("gpt2")
        w.add_tokenizer_pre(BYTE_LEVEL[arch])
        w.add_token_merges(words["merges"])
        w.add_eos_token_id(0)
    else:
        w.add_sliding_window(WINDOW)
        w.add_tokenizer_model("llama")
        w.add_token_scores(words["scores"])
        w.add_bos_token_id(2)
        w.add_eos_token_id(1)
        w.add_unk_token_id(3)
        w.add_add_bos_token(True)
        w.add_add_space_prefix(False)
    for name, array in weights(arch, tied).items():
        if name == omit:
            continue
        if arch == "llama" and name.endswith(("attn_q", "attn_k")):
            array = interleaved(array, HEADS if name.endswith("q") else KV_HEADS)
        if narrow is not None and array.ndim == 2:
            w.add_tensor(f"{name}.weight", gguf.quants.quantize(array, narrow), raw_dtype=narrow)
        else:
            w.add_tensor(name if name.endswith(".bias") else f"{name}.weight", array)
    if factors is not None:
        w.add_tensor("rope_freqs.weight", factors)
    if extra:
        w.add_tensor(extra, np.ones(4, np.float32))
    w.kv_data[0] = {key: value for key, value in w.kv_data[0].items() if not key.endswith(without)}
    for key, value in (keys or {}).items():
        add = {bool: w.add_bool, int: w.add_uint32, float: w.add_float32, str: w.add_string, list: w.add_array}[type(value)]
        key = key if key.startswith(("tokenizer.", "split.")) else f"{arch}.{key}"
        w.kv_data[0].pop(key, None)
        add(key, value)
    if bare_first:
        w.tensors.insert(0, {})
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    return path


def forward(arch: str, tied: bool, ids: np.ndarray, factors: np.ndarray | float = 1.0, local_base: float = LOCAL_BASE,
            windowed=lambda layer: layer % 6 != 5) -> np.ndarray:
    """The model in plain numpy, float64: logits at every position of one sequence. `factors` divide the rotary rates of
    layers without a window."""
    w = {name: array.astype(np.float64) for name, array in weights(arch, tied).items()}
    gemma = arch == "gemma3"
    # If the model has no such norm, the input passes unchanged.
    rms = lambda x, name: x / np.sqrt((x * x).mean(-1, keepdims=True) + EPSILON) * w[name] if name in w else x
    steps = np.arange(len(ids))

    def rotate(x, base, factors):
        angle = steps[:, None] * (base ** (-np.arange(0, HEAD_DIM, 2) / HEAD_DIM) / factors)
        cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
        a, b = x[..., : HEAD_DIM // 2], x[..., HEAD_DIM // 2 :]
        return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)

    x = w["token_embd"][ids] * (np.sqrt(WIDTH) if gemma else 1)
    for i in range(LAYERS):
        p = f"blk.{i}."
        local = gemma and windowed(i)
        n = rms(x, p + "attn_norm")

        def product(part, heads):
            x = n @ w[p + part].T + w.get(f"{p}{part}.bias", 0)
            x = rms(x, f"{p}{part}_norm") if arch == "olmo2" else x
            return x.reshape(-1, heads, HEAD_DIM)

        q, k, v = product("attn_q", HEADS), product("attn_k", KV_HEADS), product("attn_v", KV_HEADS)
        if arch in ("qwen3", "gemma3"):
            q, k = rms(q, p + "attn_q_norm"), rms(k, p + "attn_k_norm")
        rotary = (local_base, 1.0) if local else (BASE, factors)
        q, k = rotate(q, *rotary), rotate(k, *rotary)
        distance = steps[:, None] - steps[None]
        seen = (distance >= 0) & (distance < (WINDOW if local else len(ids)))
        heads = []
        for head in range(HEADS):
            group = head * KV_HEADS // HEADS
            s = np.where(seen, q[:, head] @ k[:, group].T / np.sqrt(HEAD_DIM), -np.inf)
            s = np.exp(s - s.max(-1, keepdims=True))
            heads.append(s / s.sum(-1, keepdims=True) @ v[:, group])
        a = np.concatenate(heads, -1) @ w[p + "attn_output"].T
        x = x + rms(a, p + "post_attention_norm")
        n = rms(x, p + "ffn_norm")
        gate, up = n @ w[p + "ffn_gate"].T, n @ w[p + "ffn_up"].T
        if gemma:
            gate = gate / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (gate + 0.044715 * gate**3)))
        else:
            gate = gate / (1 + np.exp(-gate))
        h = (gate * up) @ w[p + "ffn_down"].T
        x = x + rms(h, p + "post_ffw_norm")
    return rms(x, "output_norm") @ w["token_embd" if tied else "output"].T


VARIANTS = [("llama", True), ("gemma3", True), ("qwen3", True)]
VARIANTS += [(arch, False) for arch in ("llama", "qwen3", "qwen2", "olmo2")]


@pytest.fixture(scope="module", params=VARIANTS, ids=lambda v: f"{v[0]}-{'tied' if v[1] else 'untied'}")
def converted(request, tmp_path_factory):
    """(architecture, tied, folder, ids, the numpy model's logits)"""
    arch, tied = request.param
    temp = tmp_path_factory.mktemp(arch)
    done = run_convert(write_gguf(temp / "tiny.gguf", arch, tied), "-o", temp / "model")
    assert done.returncode == 0, done.stderr
    ids = np.random.default_rng(3).integers(0, len(vocabulary(arch)["tokens"]), LENGTH)
    return arch, tied, temp / "model", ids, forward(arch, tied, ids)


def test_logits_are_those_of_a_plain_forward_pass(converted):
    *_, folder, ids, expected = converted
    np.testing.assert_allclose(Model(folder).whole(ids), expected, atol=2e-4)


def test_rotary_factors_of_the_file_divide_the_rates(tmp_path):
    """llama.cpp stores Llama 3's scaling this way."""
    factors = np.linspace(1, 8, HEAD_DIM // 2, dtype=np.float32)
    source = write_gguf(tmp_path / "t.gguf", "llama", factors=factors)
    done = run_convert(source, "-o", tmp_path / "model")
    assert done.returncode == 0, done.stderr
    ids = np.arange(LENGTH)
    logits = Model(tmp_path / "model").whole(ids)
    np.testing.assert_allclose(logits, forward("llama", True, ids, factors), atol=2e-4)
    assert np.abs(logits - forward("llama", True, ids)).max() > 0.1
    card = json.loads((tmp_path / "model" / "card.json").read_text())
    assert card["params"] == sum(array.size for array in weights("llama", True).values())
    short = write_gguf(tmp_path / "short.gguf", "llama", factors=factors[1:])
    refused(tmp_path, short, "rope_freqs.weight: shape (7,), expected (8,)", name="other")


FULL_LAYERS = (0, 2, 6)


@pytest.mark.parametrize(
    "arch, keys, changes",
    [
        ("llama", {"rope.scale_linear": 4.0}, {"factors": 4.0}),
        # Old files do not say that the scaling is linear. If both names exist, the newer one wins.
        ("llama", {"rope.scaling.factor": 4.0}, {"factors": 4.0}),
        ("llama", {"rope.scaling.factor": 4.0, "rope.scale_linear": 2.0}, {"factors": 4.0}),
        ("qwen3", {"rope.scaling.type": "linear", "rope.scaling.factor": 8.0}, {"factors": 8.0}),
        ("qwen3", {"rope.scaling.type": "none", "rope.scaling.factor": 8.0}, {}),
        ("gemma3", {"rope.scaling.type": "linear", "rope.scaling.factor": 8.0}, {"factors": 8.0}),
        ("gemma3", {"rope.freq_base_swa": 500.0}, {"local_base": 500.0}),
        ("gemma3", {"attention.sliding_window_pattern": 3}, {"windowed": lambda layer: layer % 3 != 2}),
        (
            "gemma3",
            {"attention.sliding_window_pattern": [layer not in FULL_LAYERS for layer in range(LAYERS)]},
            {"windowed": lambda layer: layer not in FULL_LAYERS},
        ),
        ("llama", {"vocab_size": 9, "attention.causal": True, "expert_count": 0, "rope.scaling.attn_factor": 1.0}, {}),
    ],
    ids=str,
)
def test_keys_that_change_the_model_change_it_as_in_llama_cpp(arch, keys, changes, tmp_path):
    done = run_convert(write_gguf(tmp_path / "t.gguf", arch, keys=keys), "-o", tmp_path / "model")
    assert done.returncode == 0, done.stderr
    ids = np.random.default_rng(3).integers(0, len(vocabulary(arch)["tokens"]), LENGTH)
    expected = forward(arch, True, ids, **changes)
    np.testing.assert_allclose(Model(tmp_path / "model").whole(ids), expected, atol=2e-4)
    assert not changes or np.abs(expected - forward(arch, True, ids)).max() > 0.01


@pytest.mark.parametrize(
    "arch, key, value",
    [
        ("llama", "rope.scaling.type", "yarn"),
        ("llama", "rope.scaling.attn_factor", 1.5),
        ("llama", "rope.scale_linear", 0.0),
        ("llama", "rope.dimension_count", 8),
        ("llama", "attention.causal", False),
        ("llama", "attention.scale", 0.5),
        ("llama", "attention.sliding_window", 4),
        ("llama", "attn_logit_softcapping", 50.0),
        ("llama", "embedding_scale", 12.0),
        ("llama", "expert_count", 8),
        ("llama", "logit_scale", 8.0),
        ("llama", "residual_scale", 0.2),
        ("qwen3", "rope.dimension_count", 8),
        ("qwen3", "rope.freq_base_swa", 1e4),
        ("qwen3", "some_new_option", 3),
        ("qwen2", "attention.sliding_window", 4),
        ("gemma3", "attention.sliding_window_pattern", 0),
        ("gemma3", "attention.sliding_window_pattern", [True, False]),
        ("gemma3", "final_logit_softcapping", 30.0),
    ],
)
def test_a_key_that_is_not_supported_is_named(arch, key, value, tmp_path):
    refused(tmp_path, write_gguf(tmp_path / "t.gguf", arch, keys={key: value}), f"metadata {arch}.{key}: ")


@pytest.mark.parametrize(
    "arch, silent",
    [
        ("llama", ("freq_base", "key_length", "value_length", "head_count_kv", "token_type")),
        ("qwen3", ("freq_base", "key_length", "value_length")),
        ("gemma3", ("freq_base", "key_length", "value_length", "add_bos_token")),
    ],
)
def test_a_key_that_is_absent_is_llama_cpps_default(arch, silent, tmp_path, monkeypatch):
    """As in llama.cpp's `load_hparams`: base 10000, heads share the width and have their own keys and values."""
    changed = {"WIDTH": HEADS * HEAD_DIM, "BASE": 10000.0} | ({"KV_HEADS": HEADS} if arch == "llama" else {})
    for name, value in changed.items():
        monkeypatch.setattr(sys.modules[__name__], name, value)
    folder = convert(write_gguf(tmp_path / "t.gguf", arch, without=silent), tmp_path / "model")
    ids = np.random.default_rng(3).integers(0, len(vocabulary(arch)["tokens"]), LENGTH)
    np.testing.assert_allclose(Model(folder).whole(ids), forward(arch, True, ids), atol=2e-4)


def test_special_tokens_that_are_absent_are_llama_cpps_defaults(tmp_path):
    """In SentencePiece vocabularies 0 is unknown, 1 begins every text, 2 ends it. Llama 3 texts begin with BOS, too."""
    silent = ("bos_token_id", "eos_token_id", "unknown_token_id", "add_bos_token")
    folder = convert(write_gguf(tmp_path / "t.gguf", "gemma3", without=silent), tmp_path / "model")
    config, tokenizer = (json.loads((folder / name).read_text()) for name in ("config.json", "tokenizer.json"))
    assert (config["bos_token_id"], config["eos_token_id"]) == (1, 2)
    first, second, _ = vocabulary("gemma3")["tokens"][:3]
    assert tokenizer["model"]["unk_token"] == first
    assert tokenize(folder, "a") == [second, "a"]
    keys = {"tokenizer.ggml.pre": "llama-bpe"}
    refused(tmp_path, write_gguf(tmp_path / "none.gguf", "llama", keys=keys), "bos_token_id: missing", name="none")
    keys["tokenizer.ggml.bos_token_id"] = 0
    folder = convert(write_gguf(tmp_path / "3.gguf", "llama", keys=keys), tmp_path / "3")
    assert tokenize(folder, "A") == ["<|end|>", "A"]


def test_a_file_that_does_not_say_how_words_are_split_is_refused_with_what_to_do(tmp_path):
    source = write_gguf(tmp_path / "t.gguf", "qwen3", without=("ggml.pre",))
    told = ("tokenizer.ggml.pre: missing", "Hugging Face folder", "gguf-new-metadata --pre-tokenizer NAME", "qwen2")
    refused(tmp_path, source, *told)
    tool, new = Path(sys.executable).with_name("gguf-new-metadata"), tmp_path / "new.gguf"
    subprocess.run([tool, "--pre-tokenizer", "qwen2", source, new], check=True, capture_output=True)
    convert(new, tmp_path / "model")


def test_every_token_that_ends_a_turn_ends_an_answer(tmp_path):
    keys = {"tokenizer.ggml.eot_token_id": 3, "tokenizer.ggml.eom_token_id": 0}
    done = run_convert(write_gguf(tmp_path / "t.gguf", "llama", keys=keys), "-o", tmp_path / "model")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "model" / "config.json").read_text())["eos_token_id"] == [0, 3]


@pytest.mark.parametrize("split", [[1] * LENGTH, [1, 22], [7, 1, 9, 6], [22, 1]])
def test_chunks_through_the_cache_equal_one_pass(converted, split):
    *_, folder, ids, expected = converted
    np.testing.assert_allclose(Model(folder).chunks(ids, split), expected, atol=2e-4)


def test_choices_and_positions_are_a_part_of_all(converted):
    *_, folder, ids, expected = converted
    choices, positions = [9, 2, 40], [22, 0, 5]
    answers, present = Model(folder)(ids, positions, choices)
    assert answers["chosen"].shape == (1, 3, 3)
    np.testing.assert_allclose(answers["chosen"][0], expected[np.ix_(positions, choices)], atol=2e-4)
    assert {p.shape for p in present.values()} == {(1, KV_HEADS, LENGTH, HEAD_DIM)}
    assert len(present) == 2 * LAYERS


def test_a_batch_equals_its_rows(converted):
    arch, tied, folder, ids, expected = converted
    rows = np.stack([ids[:22], ids[1:]])
    model = Model(folder)
    answers, past = model(rows[:, :21], [[20], [10]])
    alone = forward(arch, tied, rows[1])
    np.testing.assert_allclose(answers["chosen"][:, 0], [expected[20], alone[10]], atol=2e-4)
    # The second row continues after its ninth token.
    answers, _ = model([[rows[0, 21]], [rows[1, 9]]], [[0], [0]], past=past, read=[21, 9])
    np.testing.assert_allclose(answers["chosen"][:, 0], [expected[21], alone[9]], atol=2e-4)


def test_the_folder_describes_the_model(converted):
    arch, tied, folder, *_ = converted
    assert sorted(p.name for p in folder.iterdir()) == [
        "card.json", "config.json", "model.onnx", "model.onnx.data", "tokenizer.json",
    ]
    card, config = (json.loads((folder / name).read_text()) for name in ("card.json", "config.json"))
    assert card["params"] == sum(array.size for array in weights(arch, tied).values())
    assert (card["name"], card["modality"], card["license"]) == ("model", "linguistic", "MIT")
    assert card["max_positions"] == config["max_position_embeddings"] == 64
    assert card["sources"][0]["file"] == "tiny.gguf" and len(card["sources"][0]["sha256"]) == 64
    assert config["vocab_size"] == len(vocabulary(arch)["tokens"])
    assert config["tie_word_embeddings"] == tied
    assert config["bos_token_id"] == (None if arch in BYTE_LEVEL else 2)


def test_a_tied_embedding_is_stored_once(converted):
    arch, tied, folder, *_ = converted
    graph = onnx.load(folder / "model.onnx", load_external_data=False).graph
    shape = [len(vocabulary(arch)["tokens"]), WIDTH]
    matrices = [i.name for i in graph.initializer if sorted(i.dims) == sorted(shape)]
    assert len(matrices) == (1 if tied else 2)


def test_name_and_modality_can_be_given(tmp_path):
    source = write_gguf(tmp_path / "t.gguf", "llama")
    done = run_convert(source, "-o", tmp_path / "m", "--name", "A b", "--modality", "genomic")
    assert done.returncode == 0, done.stderr
    card = json.loads((tmp_path / "m" / "card.json").read_text())
    assert (card["name"], card["modality"]) == ("A b", "genomic")


def tokenize(folder: Path, text: str) -> list[str]:
    return Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text).tokens


def test_tokenizers_follow_the_vocabulary(converted):
    arch, _, folder, *_ = converted
    if arch in BYTE_LEVEL:
        # Digits stay separate even if a merge would join them, except in OLMo 2. There is no BOS.
        digits = ["10"] if arch == "olmo2" else ["1", "0"]
        assert tokenize(folder, "10ATC AT\n") == [*digits, "ATC", "\u0120", "AT", "\u010a"]
        assert tokenize(folder, "<|end|>A") == ["<|end|>", "A"]
    else:
        # The best score merges first (bc before ab). User-defined tokens match longest first. Bytes fall back.
        assert tokenize(folder, "abc") == ["<bos>", "a", "bc"]
        assert tokenize(folder, " a\n\n\n  01") == ["<bos>", "\u2581a", "\n\n", "\n", "  ", "0", "1"]
        assert tokenize(folder, "\u00e9") == ["<bos>", "<0xC3>", "<0xA9>"]


def test_tokens_of_one_text_are_left_out_and_named_where_one_is_needed(tmp_path):
    twice = {"(": "<unused>", "G": "<unused>"}
    folder = convert(write_gguf(tmp_path / "t.gguf", "llama", renamed=twice), tmp_path / "model")
    whole = convert(write_gguf(tmp_path / "once.gguf", "llama"), tmp_path / "once")
    theirs = json.loads((whole / "tokenizer.json").read_text())["model"]["vocab"]
    ours = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    assert ours == {token: id for token, id in theirs.items() if token not in twice}
    assert (folder / "config.json").read_bytes() == (whole / "config.json").read_bytes()

    def answers(alphabet: str) -> subprocess.CompletedProcess:
        pipe = f"gen-tasks --task identity --shots 1 --trials 9 | encode --alphabet {alphabet} | infer --model {folder}"
        environment = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "SHOTLINE_ORT_LIB": str(ROOT / "runtime")}
        return subprocess.run(["bash", "-c", pipe], env=environment, capture_output=True, text=True, check=False)

    done = answers("ACT")
    assert done.returncode == 0 and done.stdout.count("\n") == 9, done.stderr
    done = answers("AGT")
    assert done.returncode == 1 and '"G"' in done.stderr, done.stderr
    source = write_gguf(tmp_path / "2.gguf", "llama", renamed={"C": "T"})
    refused(tmp_path, source, "merges[0]: 'A T' joins or makes", "there twice", name="other")
    source = write_gguf(tmp_path / "3.gguf", "llama", renamed={"<|end|>": "A"})
    refused(tmp_path, source, "eos_token_id: 0 is 'A', and so is another token", name="other")


def test_a_space_before_each_text_is_in_the_tokenizer_and_in_no_symbol(tmp_path):
    """Files of Llama 2, Mistral 7B and Phi-3 do not mention the space; llama.cpp adds it by default."""
    plain = convert(write_gguf(tmp_path / "t.gguf", "gemma3"), tmp_path / "plain")
    spaced = convert(write_gguf(tmp_path / "s.gguf", "gemma3", without=("add_space_prefix",)), tmp_path / "spaced")
    assert tokenize(plain, "abc")[1:] == ["a", "bc"] and tokenize(spaced, "abc")[1:] == ["\u2581a", "bc"]
    prompts = filtered("gen-tasks", *"--task rotl1 --bits 4 --shots 2 --trials 4".split())
    prompts = filtered("encode", "--alphabet", "chars:abc01", text=prompts)
    answers = [infer(folder, prompts, "--name", "m") for folder in (plain, spaced)]
    assert answers[0].returncode == 0 and answers[0].stdout == answers[1].stdout, answers[1].stderr


def test_an_unknown_architecture_is_named_with_the_ways_that_remain(tmp_path):
    source = write_gguf(tmp_path / "t.gguf", "llama", says="mamba")
    ways = ("optimum-cli export onnx --task text-generation-", "exec:python3 scripts/engines/hf-transformers.py")
    refused(tmp_path, source, "t.gguf", '"mamba"', "llama, gemma3, qwen3, qwen2, olmo2", *ways)


@pytest.fixture(scope="module", params=[False, True], ids=["tensors in all", "none in the first"])
def parts(request, tmp_path_factory) -> list[Path]:
    """A model in several files, as llama.cpp's tools split it, with and without --no-tensor-first-split."""
    folder = tmp_path_factory.mktemp("parts")
    write_gguf(folder / "tiny.gguf", "qwen3", tensors=30, bare_first=request.param)
    return sorted(folder.iterdir())


@pytest.mark.parametrize("given", [0, 1, -1])
def test_a_model_in_parts_is_read_from_any_of_them(given, parts, tmp_path):
    folder = convert(parts[given], tmp_path / "parts")
    whole = convert(write_gguf(tmp_path / "tiny.gguf", "qwen3"), tmp_path / "whole")
    assert (folder / "model.onnx.data").read_bytes() == (whole / "model.onnx.data").read_bytes()
    assert (folder / "tokenizer.json").read_bytes() == (whole / "tokenizer.json").read_bytes()
    sources = json.loads((folder / "card.json").read_text())["sources"]
    assert len(parts) > 2 and [source["file"] for source in sources] == [part.name for part in parts]


def test_parts_that_do_not_belong_together_are_named(tmp_path):
    write_gguf(tmp_path / "tiny.gguf", "qwen3", tensors=30)
    first, second, third = sorted(tmp_path.iterdir())
    write_gguf(tmp_path / "other.gguf", "qwen3", tensors=60)
    other, content = tmp_path / "other-00002-of-00002.gguf", second.read_bytes()
    second.unlink()
    refused(tmp_path, third, f"{second.name}: no such file", "one of 3 parts")
    for wrong, said in (
        (other.read_bytes(), "metadata split.count: 2, but by"),
        (third.read_bytes(), "metadata split.no: 2, but by"),
        (content.replace(b"blk.3.", b"blk.0."), "metadata split.tensors.count: 79, but by"),
        (content[:-50000], "damaged or truncated"),
        (POINTER.encode(), POINTED),
    ):
        second.write_bytes(wrong)
        refused(tmp_path, first, (first if "tensors.count" in said else second).name, said)
    second.write_bytes(content)
    first = first.rename(tmp_path / "renamed.gguf")
    refused(tmp_path, first, "renamed.gguf: metadata split.count: 3, but", "NAME-00001-of-00003.gguf")


def test_parts_that_llama_cpp_has_joined_are_one_file(tmp_path):
    """llama.cpp leaves the keys of the split in the file and sets the count to 0."""
    keys = {"split.no": 0, "split.count": 0, "split.tensors.count": 66}
    convert(write_gguf(tmp_path / "t.gguf", "llama", keys=keys), tmp_path / "model")


def test_bfloat16_is_read_exactly(tmp_path):
    source = write_gguf(tmp_path / "t.gguf", "llama", narrow=gguf.GGMLQuantizationType.BF16)
    folder = convert(source, tmp_path / "model")
    constants = {i.name: onnx.numpy_helper.to_array(i) for i in onnx.load(folder / "model.onnx").graph.initializer}
    expected = weights("llama", True)["blk.3.ffn_up"].astype(ml_dtypes.bfloat16).astype(np.float32)
    np.testing.assert_array_equal(constants["layers.3.ffn_up"], expected)


def test_a_type_that_is_not_known_yet_is_named_with_what_to_do(tmp_path):
    source = write_gguf(tmp_path / "t.gguf", "llama")
    name, data = b"blk.6.ffn_down.weight", bytearray(source.read_bytes())
    # After a tensor's name: the number of its dimensions, two dimensions, its type.
    data[data.index(name) + len(name) + 4 + 16] = 99
    source.write_bytes(data)
    refused(tmp_path, source, "a tensor of type 99, which gguf", REQUANTISE)


def test_a_missing_file_is_named(tmp_path):
    refused(tmp_path, tmp_path / "none.gguf", "none.gguf: no such file")


def test_a_file_of_another_kind_is_refused(tmp_path):
    source = tmp_path / "t.gguf"
    source.write_bytes(b"PK\x03\x04 no model")
    refused(tmp_path, source, "not a GGUF file")
    source.write_text(POINTER)
    refused(tmp_path, source, f"t.gguf: {POINTED}")


@pytest.mark.parametrize("kept", [4, 20, 200, 3000, 0.5, 0.999])
def test_a_truncated_file_is_refused(tmp_path, kept):
    source = write_gguf(tmp_path / "t.gguf", "llama")
    data = source.read_bytes()
    source.write_bytes(data[: kept if isinstance(kept, int) else int(len(data) * kept)])
    refused(tmp_path, source, "t.gguf", "truncated")


def test_an_unexpected_tensor_is_named(tmp_path):
    source = write_gguf(tmp_path / "t.gguf", "llama", extra="output_norm.bias")
    refused(tmp_path, source, "tensor output_norm.bias")


def test_a_missing_tensor_is_named(tmp_path):
    source = write_gguf(tmp_path / "t.gguf", "gemma3", omit="blk.3.attn_k_norm")
    refused(tmp_path, source, "tensor blk.3.attn_k_norm.weight: missing")


def test_heads_that_do_not_fit_their_tensors_are_refused(tmp_path):
    source = write_gguf(tmp_path / "t.gguf", "gemma3", head_dim=32)
    refused(tmp_path, source, "blk.0.attn_q.weight: shape (64, 48), expected (128, 48)")


def test_heads_that_onnx_runtime_cannot_rotate_are_refused(tmp_path):
    source = write_gguf(tmp_path / "t.gguf", "llama", head_dim=20)
    refused(tmp_path, source, "heads of size 20")


def test_a_folder_that_exists_is_left_alone(tmp_path):
    source = write_gguf(tmp_path / "t.gguf", "llama")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine").write_text("kept")
    refused(tmp_path, source, "already there")
    assert (tmp_path / "model" / "mine").read_text() == "kept"


def test_an_unreadable_weight_leaves_nothing_behind(tmp_path):
    """The failure comes in the middle of the weights, after the folder was created."""
    source = write_gguf(tmp_path / "t.gguf", "llama")
    reader = gguf.GGUFReader(source, "r+")
    field = next(t for t in reader.tensors if t.name == "blk.6.ffn_down.weight").field
    # I32 is as wide as F32, so the file is complete, but it is not a type for weights.
    field.parts[field.data[2]][:] = gguf.GGMLQuantizationType.I32
    reader.data.flush()
    del reader, field
    refused(tmp_path, source, "tensor blk.6.ffn_down.weight: type I32 cannot be read", REQUANTISE)


def test_usage_errors_exit_with_2(tmp_path):
    assert run_convert(tmp_path / "t.gguf").returncode == 2


@pytest.mark.parametrize("name", ["tiny-hf", "tiny-subset"])
def test_committed_tiny_models_continue_as_transformers_did(name):
    """Tests both layouts: greedily, and one token at a time through the cache."""
    table = json.loads((FIXTURES / "tiny.json").read_text())["prompts"]
    folder = FIXTURES / name
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    config = json.loads((folder / "config.json").read_text())
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    model = Model(folder) if name == "tiny-subset" else None
    names = [i.name for i in session.get_inputs() if i.name.startswith("past")]
    empty = np.zeros((1, config["num_key_value_heads"], 0, config["head_dim"]), np.float32)
    for row in table:
        assert tokenizer.encode(row["prompt"]).ids == row["ids"]
        past, ids, seen, tokens, logprobs = None, np.array([row["ids"]]), 0, [], []
        while len(tokens) < len(row["tokens"]):
            size = ids.shape[1]
            if model is not None:
                answers, past = model(ids, [size - 1], [0], past=past, read=seen)
                tokens.append(int(answers["best"][0, 0]))
                logprobs.append(-answers["log_sum"][0, 0])
            else:
                steps = seen + np.arange(size)[None]
                feed = {"input_ids": ids, "attention_mask": np.ones((1, seen + size), np.int64), "position_ids": steps}
                logits, *past = session.run(None, feed | dict(zip(names, past or [empty] * len(names))))
                last = logits[0, -1].astype(np.float64)
                tokens.append(int(last.argmax()))
                logprobs.append(-np.log(np.exp(last - last.max()).sum()))
            seen += size
            ids = np.array([[tokens[-1]]])
        assert tokens == row["tokens"]
        np.testing.assert_allclose(logprobs, row["logprobs"], atol=2e-4)


@pytest.mark.parametrize("variable, name", [("SHOTLINE_SMOLLM2_DIR", "smollm2"), ("SHOTLINE_GEMMA_DIR", "gemma3-270m")])
def test_converted_models_say_what_transformers_says(variable, name):
    if variable not in os.environ:
        pytest.skip(f"{variable} is not set")
    folder = Path(os.environ[variable])
    fixture = json.loads((FIXTURES / f"{name}.json").read_text())
    source = json.loads((folder / "card.json").read_text())["sources"][0]
    assert source["sha256"] == fixture["source"]["sha256"], "the folder was converted from another file"
    rows = fixture["positions"]
    answers, _ = Model(folder)(fixture["ids"], [row["position"] for row in rows], fixture["vocab_ids"])
    assert answers["best"][0].tolist() == [row["argmax"] for row in rows]
    np.testing.assert_allclose(answers["top"][0, :, 0], [row["max"] for row in rows], atol=5e-3)
    np.testing.assert_allclose(answers["chosen"][0], [row["logits"] for row in rows], atol=5e-3)
