"""ImageGPT: GPT-2 over colours, which have no text.

    SHOTLINE_BIN=target/release python3 -m pytest tests/python/test_imagegpt.py
"""

import json
import sys

import numpy as np
import pytest
from tokenizers import Tokenizer

from converter import ROOT, convert, refused
from filters import filtered, infer
from onnx_model import Model

sys.path.append(str(ROOT / "tests" / "oracle"))

import imagegpt_checkpoint as imagegpt  # noqa: E402
from evo2_checkpoint import write  # noqa: E402

SEED = 3
CONFIG = imagegpt.drawn(SEED) | {"n_layer": 2}


def forward(table: dict[str, np.ndarray], ids: np.ndarray) -> np.ndarray:
    """The model in plain numpy, float64, written from its paper and OpenAI's model.py: logits at every position."""
    w = {name.removeprefix("transformer."): array.astype(np.float64) for name, array in table.items()}
    norm = lambda x, name: x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * w[f"{name}.weight"]
    linear = lambda x, name: x @ w[f"{name}.weight"] + w[f"{name}.bias"]
    x = w["wte.weight"][ids] + w["wpe.weight"][: len(ids)]
    for i in range(CONFIG["n_layer"]):
        q, k, v = np.split(linear(norm(x, f"h.{i}.ln_1"), f"h.{i}.attn.c_attn"), 3, -1)
        out = []
        for q, k, v in zip(*(np.split(part, CONFIG["n_head"], -1) for part in (q, k, v))):
            scores = np.where(np.tri(len(ids)) > 0, q @ k.T / np.sqrt(q.shape[1]), -np.inf)
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            out.append(scores / scores.sum(-1, keepdims=True) @ v)
        x = x + linear(np.concatenate(out, -1), f"h.{i}.attn.c_proj")
        h = linear(norm(x, f"h.{i}.ln_2"), f"h.{i}.mlp.c_fc")
        x = x + linear(h / (1 + np.exp(-1.702 * h)), f"h.{i}.mlp.c_proj")
    return norm(x, "ln_f") @ w["lm_head.weight"].T


@pytest.mark.parametrize("options", [(), ("--device", "cuda", "--weights", "float32")], ids=["cpu", "cuda"])
def test_logits_are_those_of_a_plain_forward_pass(options, tmp_path):
    table = imagegpt.tensors(CONFIG, SEED)
    model = Model(convert(imagegpt.write(tmp_path / "source", CONFIG, table), tmp_path / "model", *options))
    ids = np.append(imagegpt.COLOURS, np.random.default_rng(SEED).integers(0, imagegpt.COLOURS, 69))
    expected = forward(table, ids)
    for logits in (model.whole(ids), model.chunks(ids, [50, 1, 19])):
        assert np.abs(logits - expected).max() / np.abs(expected).max() < 1e-5


def test_colours_are_words_and_an_image_begins_with_a_token(tmp_path):
    table = imagegpt.tensors(CONFIG, SEED)
    folder = convert(imagegpt.write(tmp_path / "source", CONFIG, table), tmp_path / "model")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert tokenizer.encode("c000c017c511").ids == [512, 0, 17, 511]
    assert [tokenizer.decode([id]) for id in (0, 17, 511, 512)] == ["c000", "c017", "c511", ""]
    card, config = (json.loads((folder / name).read_text()) for name in ("card.json", "config.json"))
    assert card["modality"] == "image" and card["params"] == sum(array.size for array in table.values())
    assert (config["vocab_size"], config["bos_token_id"], config["eos_token_id"]) == (512, None, None)


def test_a_file_of_pytorchs_is_the_same_model(tmp_path):
    """Folders of 2021 hold a PyTorch file. The checkpoint reader (test_pt_file.py) reads it."""
    table = {name: np.ascontiguousarray(array) for name, array in imagegpt.tensors(CONFIG, SEED).items()}
    source = imagegpt.write(tmp_path / "source", CONFIG, table)
    expected = convert(source, tmp_path / "expected")
    (source / "model.safetensors").unlink()
    write(source / "pytorch_model.bin", table | {"transformer.h.0.attn.bias": np.ones((1, 1, 9, 9), np.float32)})
    found = convert(source, tmp_path / "found")
    assert (found / "model.onnx.data").read_bytes() == (expected / "model.onnx.data").read_bytes()
    card = json.loads((found / "card.json").read_text())
    assert {entry["file"] for entry in card["sources"]} == {"config.json", "pytorch_model.bin"}
    (source / "pytorch_model.bin").write_bytes(b"none")
    refused(tmp_path, source, "pytorch_model.bin: not a PyTorch checkpoint")
    (source / "pytorch_model.bin").unlink()
    refused(tmp_path, source, "source: no model.safetensors, model.safetensors.index.json or pytorch_model.bin")


@pytest.mark.parametrize(
    "changes, without, words",
    [
        ({"activation_function": "gelu_new"}, "", ('"activation_function"', "quick_gelu")),
        ({"tie_word_embeddings": True}, "", ('"tie_word_embeddings"',)),
        ({"num_clusters": 3}, "", ('"num_clusters"',)),
        ({"vocab_size": 400}, "", ("transformer.wte.weight: shape (513, ",)),
        ({}, "lm_head.weight", ("lm_head.weight: missing",)),
        ({}, "transformer.h.1.ln_2.weight", ("h.1.ln_2.weight: missing",)),
    ],
    ids=str,
)
def test_what_does_not_fit_is_named(changes, without, words, tmp_path):
    table = {name: array for name, array in imagegpt.tensors(CONFIG, SEED).items() if name != without}
    refused(tmp_path, imagegpt.write(tmp_path / "source", CONFIG | changes, table), *words)


def test_trials_in_colours_are_answered_as_greedy_decoding_answers_them(tmp_path):
    table = imagegpt.tensors(CONFIG, SEED)
    folder = convert(imagegpt.write(tmp_path / "source", CONFIG, table), tmp_path / "model")
    trials = filtered("gen-tasks", *"--suite primitives --bits 4 --shots 2 --trials 1".split())
    prompts = filtered("encode", "--alphabet", "words:c012,c140,c301,c477", text=trials)
    done = infer(folder, prompts)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) > 20 and all(record["bos"] for record in found)
    for record in found[:8]:
        ids = [imagegpt.COLOURS, *(int(number) for number in record["prompt"].split("c")[1:])]
        read = len(ids)
        for _ in range(4):
            ids.append(int(forward(table, np.array(ids))[-1].argmax()))
        assert record["output"] == " ".join(f"c{id:03}" for id in ids[read:])


def test_31_examples_and_the_query_are_an_image_of_a_row_each(tmp_path):
    """The follow-up's layout: left-padded rows of 32, any colours, the answer at the end of the last row."""
    table = imagegpt.tensors(CONFIG, SEED)
    folder = convert(imagegpt.write(tmp_path / "source", CONFIG, table), tmp_path / "model")
    (tmp_path / "colours.txt").write_text(" ".join(f"c{id:03}" for id in range(512)))
    row = ("--template", "{sep}" * 16 + "{x}{y}")
    for shots, code in ((31, 0), (32, 1)):
        trials = filtered("gen-tasks", *f"--task rotl1 --bits 8 --shots {shots} --trials 2".split())
        prompts = filtered("encode", "--alphabet", f"words:{tmp_path / 'colours.txt'}", *row, text=trials)
        done = infer(folder, prompts, "--constrain")
        assert done.returncode == code, done.stderr
    records = [json.loads(line) for line in prompts.splitlines()]
    assert len(records[0]["prompt"]) == 4 * (32 * 32 + 24)
    assert len({record["zero"] for record in records} | {record["one"] for record in records}) == 4
