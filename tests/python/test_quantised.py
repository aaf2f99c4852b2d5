"""Graphs that ONNX Runtime's quantiser quantised dynamically: why `infer` refuses them, and what --allow-inexact does.

    SHOTLINE_BIN=target/release python3 -m pytest tests/python/test_quantised.py
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from filters import infer
from greedy import TINY, Greedy, prompts, refused

# Run in its own process: it imports a module that has the same name as one of ours.
QUANTISE = """
import sys
from onnxruntime.quantization import QuantType, quantize_dynamic
quantize_dynamic(*sys.argv[1:], weight_type=QuantType.QUInt8)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The tiny export in Hugging Face's layout, quantised as transformers.js and optimum do."""
    folder = tmp_path_factory.mktemp("quantised") / "tiny-int8"
    shutil.copytree(TINY, folder)
    shutil.move(folder / "model.onnx", folder / "model_fp32.onnx")
    command = [sys.executable, "-c", QUANTISE, folder / "model_fp32.onnx", folder / "model.onnx"]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    return folder


def test_a_tokens_logits_depend_on_what_else_is_read_in_its_call(folder):
    model = Greedy(folder)
    ids = [model.ids[symbol] for symbol in "0110>1001\n1100>0011\n0101>"]
    whole, _ = model.call(ids, None)
    _, cache = model.call(ids[:12], None)
    rest, _ = model.call(ids[12:], cache)
    assert np.abs(whole[12:] - rest).max() > 0.01


def test_a_quantised_graph_is_refused_with_the_reason_and_the_others_in_its_folder(folder, tmp_path):
    data = prompts("--shots", 2)
    operators = "dynamically quantised (DynamicQuantizeLinear, MatMulInteger)"
    refused(infer(folder, data), 3, "model.onnx", operators, "--allow-inexact", "also has model_fp32.onnx")
    refused(infer(folder, data, "--method", "generate"), 3, operators)
    refused(infer(folder, data, "--verify"), 3, operators)
    # As in Hugging Face's folders: several graphs, none of them named model.onnx.
    shutil.copytree(folder, tmp_path / "js")
    (tmp_path / "js" / "onnx").mkdir()
    shutil.move(tmp_path / "js" / "model.onnx", tmp_path / "js" / "onnx" / "model_int8.onnx")
    js = tmp_path / "js"
    listed = f"several graphs; give the path of one of them: {js}/model_fp32.onnx, {js}/onnx/model_int8.onnx (dynamically quantised)"
    refused(infer(js, data), 3, listed)
    assert infer(js / "model_fp32.onnx", data).returncode == 0


def test_with_allow_inexact_whole_prompts_are_read_alone_and_the_provenance_says_so(folder, tmp_path):
    data = prompts("--shots", "1,2,5,9")
    refused(infer(folder, data, "--allow-inexact"), 2, "--method score", "--method generate")
    model, out = Greedy(folder), tmp_path / "p.jsonl"
    # No option may split a prompt or batch two together.
    for options in ((), ("--batch-tokens", 4096), ("--prefill-chunk", 3)):
        done = infer(folder, data, "--allow-inexact", "--method", "generate", "-o", out, *options)
        assert done.returncode == 0, done.stderr
        assert "DynamicQuantizeLinear" in done.stderr
        found = [json.loads(line) for line in out.read_text().splitlines()]
        assert len(found) > 30
        assert [row["output"] for row in found] == [model.answer(row["prompt"], row["bits"]) for row in found]
        chain = json.loads((tmp_path / "p.jsonl.provenance.json").read_text())
        settings = json.dumps(chain)
        assert '"inexact": "DynamicQuantizeLinear, MatMulInteger"' in settings


def test_nested_prompts_are_refused_by_line_whatever_is_allowed(folder):
    data = prompts("--design", "nested", "--shots", "1,2")
    done = infer(folder, data, "--allow-inexact", "--method", "generate")
    refused(done, 1, "stdin:1", "nested")


def test_an_exact_graph_does_not_ask_for_the_flag():
    data = prompts("--shots", 2)
    plain, allowed = infer(TINY, data), infer(TINY, data, "--allow-inexact")
    assert plain.returncode == 0 and plain.stdout == allowed.stdout


def test_blocks_that_round_a_tokens_activations_do_not_depend_on_the_call():
    """MatMulNBits with accuracy_level 4 has one scale per block and token, so it is not refused."""
    rng, rows, width, block = np.random.default_rng(0), 192, 256, 32
    constants = {
        "codes": rng.integers(0, 256, (rows, width // block, block // 2)).astype(np.uint8),
        "scales": rng.normal(0, 0.1, rows * width // block).astype(np.float32),
    }
    node = onnx.helper.make_node(
        "MatMulNBits", ["x", *constants], ["y"], domain="com.microsoft",
        K=width, N=rows, bits=4, block_size=block, accuracy_level=4,
    )
    port = lambda name, size: onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["tokens", size])
    graph = onnx.helper.make_graph(
        [node], "product", [port("x", width)], [port("y", rows)],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [onnx.helper.make_opsetid(domain, version) for domain, version in (("", 17), ("com.microsoft", 1))]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    x = rng.normal(size=(40, width)).astype(np.float32)
    # The other tokens are a hundred times as large.
    x[1:] *= 100
    alone, among = (session.run(None, {"x": tokens})[0][0] for tokens in (x[:1], x))
    np.testing.assert_allclose(alone, among, rtol=1e-6, atol=1e-5)
