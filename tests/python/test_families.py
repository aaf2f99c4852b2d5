"""Every family from a Hugging Face folder to answers, compared with transformers on the same weights.

    SHOTLINE_BIN=target/release python3 -m pytest tests/python/test_families.py

The models are written from seeds (seeded_models.py). transformers' results are kept in
tests/fixtures/models/families.json (tests/oracle/make_family_fixtures.py).
"""

import json
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest

from converter import ROOT, convert
from filters import infer
from onnx_model import Model
from seeded_models import FAMILIES, draw_config, draw_weights, matrix_names, write_folder, write_seeded

FIXTURE = json.loads((ROOT / "tests" / "fixtures" / "models" / "families.json").read_text())
# Relative to the largest absolute logit.
TOLERANCE = 1e-5
DEVICES = ("cpu", "cuda")


@pytest.fixture(scope="module", params=FIXTURE["models"], ids=lambda m: f"{m['family']}-{m['seed']}-{m['weights']}")
def converted(request, tmp_path_factory):
    """(transformers' results, the converted folder)"""
    expected = request.param
    temp = tmp_path_factory.mktemp(expected["family"])
    write_seeded(temp / "source", expected["family"], expected["seed"], shards=2)
    return expected, convert(temp / "source", temp / "model", "--weights", expected["weights"])


def test_logits_are_those_of_transformers(converted):
    expected, folder = converted
    reference = np.array(expected["logits"])
    model, ids = Model(folder), expected["ids"]
    for logits in (model.whole(ids), model.chunks(ids, [1, 40, 29])):
        logits = logits[FIXTURE["positions"]]
        assert np.abs(logits - reference).max() / np.abs(reference).max() < TOLERANCE
        np.testing.assert_array_equal(logits.argmax(-1), reference.argmax(-1))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("device", DEVICES)
def test_among_equal_logits_the_lowest_id_is_the_best(family, device, tmp_path):
    """Each token has the same output row as two others, so the best logit always ties."""
    config = draw_config(family, 11)
    tensors = draw_weights(config, 11)
    embedding, head = matrix_names(family)
    matrix = tensors[head if head in tensors else embedding]
    rows = np.arange(len(matrix))
    # Equal tokens are a third of the vocabulary apart, the last one as far back as the vocabulary allows.
    third = len(matrix) // 3
    matrix[:] = matrix[rows % third]
    if "lm_head.bias" in tensors:
        tensors["lm_head.bias"] = tensors["lm_head.bias"][rows % third]
    folder = convert(write_folder(tmp_path / "source", config, tensors), tmp_path / "model", *for_device(device))
    answers, _ = Model(folder)(np.arange(70) % len(matrix), np.arange(70))
    logits = answers["chosen"][0]
    np.testing.assert_array_equal(answers["best"][0], logits.argmax(-1))
    np.testing.assert_array_equal(answers["top"][0], np.repeat(logits.max(-1)[:, None], 2, 1))
    assert (answers["best"] < third).all() and len(set(answers["best"][0].tolist())) > 3


@pytest.mark.parametrize("device", DEVICES)
def test_a_logit_that_is_no_number_makes_the_sum_none(device, tmp_path):
    write_seeded(tmp_path / "source", "llama", 11)
    model = Model(convert(tmp_path / "source", tmp_path / "model", *for_device(device)))
    _, past = model([3, 4], [0])
    for cache in past.values():
        cache[:, :, 1] = np.nan
    answers, _ = model([5], [0], past=past, read=2)
    assert np.isnan(answers["log_sum"]).all()


def for_device(device: str) -> tuple[str, ...]:
    """Options for a graph that can also run on this machine's CPU."""
    return ("--device", device, "--weights", "float32")


@pytest.mark.parametrize("expected", [m for m in FIXTURE["models"] if m["seed"] == 11], ids=lambda m: m["family"])
def test_float32_graphs_for_cuda_give_the_same_on_the_processor(expected, tmp_path):
    """The CUDA graph uses another attention operator."""
    write_seeded(tmp_path / "source", expected["family"], expected["seed"])
    folder = convert(tmp_path / "source", tmp_path / "model", *for_device("cuda"))
    operators = {node.op_type for node in onnx.load(folder / "model.onnx", load_external_data=False).graph.node}
    assert "Attention" in operators and "GroupQueryAttention" not in operators
    if expected["weights"] == "float32":
        test_logits_are_those_of_transformers((expected, folder))


# The operators in a layer of a bfloat16 graph. onnxruntime-genai 0.18's builder has 11 for llama, mistral
# and phi3, 12 for qwen2 and qwen3, 17 for gemma3 (docs/gpu.md).
GATED = {"FusedMatMul": 5, "GroupQueryAttention": 1, "Mul": 1}
LLAMA = GATED | {"SkipSimplifiedLayerNormalization": 2, "ScaledSiLU": 1}
LAYERS = {
    "llama": LLAMA,
    "qwen3": LLAMA,
    "gemma3_text": GATED | {"BranchwiseRMSNorm": 4, "Add": 2, "FastGelu": 1},
    "gpt_neox": {
        "Gemm": 4, "Flatten": 4, "Reshape": 4, "GroupQueryAttention": 1, "Gelu": 1, "Add": 1, "LayerNormalization": 1,
        "SkipLayerNormalization": 1,
    },
    "phi3": LLAMA,
    "progen": {
        "FusedMatMul": 2, "Gemm": 2, "Flatten": 2, "Reshape": 2, "GroupQueryAttention": 1, "FastGelu": 1, "Add": 1,
        "SkipLayerNormalization": 1,
    },
    "gpt2": {"Gemm": 4, "Flatten": 4, "Reshape": 4, "GroupQueryAttention": 1, "FastGelu": 1, "SkipLayerNormalization": 2},
    # Q, K and V are one product with a bias.
    "mistral": LLAMA,
    # Queries and keys are each normalised over all heads before they are rotated.
    "olmo2": GATED | {"FusedMatMul": 7, "SimplifiedLayerNormalization": 4, "ScaledSiLU": 1, "Add": 2},
    "qwen2": LLAMA | {"FusedMatMul": 4, "Gemm": 1, "Flatten": 1, "Reshape": 1},
}


def operators(folder: Path, family: str, layers: int) -> Counter:
    """Counts the operators of a bfloat16 graph whose head size the attention operator can rotate."""
    config = draw_config(family, 12) | {"n_layer" if family in ("gpt2", "progen") else "num_hidden_layers": layers}
    if family == "progen":
        config |= {"n_embd": 8 * 16, "rotary_dim": 16}
    if family == "gpt_neox":
        config |= {"use_parallel_residual": True, "rotary_pct": 1}
    if family == "phi3":
        config |= {"partial_rotary_factor": 1.0, "hidden_size": 32 * config["num_attention_heads"]}
    if family == "gemma3_text":
        config["layer_types"] = ["sliding_attention", "full_attention"] * (layers // 2)
    if family == "olmo2":
        config |= {"hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2}
    source = write_folder(folder / f"source-{layers}", config, draw_weights(config, 12))
    model = convert(source, folder / f"model-{layers}", "--device", "cuda")
    card = json.loads((model / "card.json").read_text())
    assert (card["device"], card["weights"]) == ("cuda", "bfloat16")
    graph = onnx.load(model / "model.onnx", load_external_data=False).graph
    caches = [value for value in (*graph.input, *graph.output) if "key" in value.name or "value" in value.name]
    assert {cache.type.tensor_type.elem_type for cache in caches} == {onnx.TensorProto.BFLOAT16}
    return Counter(node.op_type for node in graph.node)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_layer_for_cuda_has_these_operators_and_no_more(family, tmp_path):
    assert family in LAYERS, "LAYERS says what its layers consist of"
    assert operators(tmp_path, family, 4) - operators(tmp_path, family, 2) == Counter(
        {name: 2 * count for name, count in LAYERS[family].items()}
    )


def run_infer(folder: Path, method: str) -> subprocess.CompletedProcess:
    """Runs infer on the fixture's prompts."""
    return infer(folder, "".join(json.dumps(prompt) + "\n" for prompt in FIXTURE["prompts"]), "--method", method)


@pytest.mark.parametrize("method", ["generate", "score"])
def test_infer_answers_as_transformers_generates(converted, method):
    expected, folder = converted
    done = run_infer(folder, method)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    key = lambda row: (row["function"], row["design"], row["shots"])
    assert [key(row) for row in found] == [key(row) for row in expected["answers"]]
    assert [row["output"] for row in found] == [row["output"] for row in expected["answers"]]
    # Only the token that the model's own tokenizer puts before a text.
    assert {row["bos"] for row in found} == {expected["family"] in ("llama", "gemma3_text")}
    np.testing.assert_allclose(
        [row["margin"] for row in found], [row["margin"] for row in expected["answers"]], atol=2e-4
    )
