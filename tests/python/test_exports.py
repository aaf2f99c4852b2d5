"""Exports that differ from Hugging Face's plain one in inputs, outputs or positions. They must give its answers.

    SHOTLINE_BIN=target/release python3 -m pytest tests/python/test_exports.py
"""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from exports import GENAI, model_of, narrowed, written
from filters import infer
from greedy import TINY, Greedy, prompts, refused

CLOSE = 1e-4


@pytest.fixture(params=["independent", "nested"])
def data(request) -> str:
    return prompts("--design", request.param, "--shots", "1,2,5")


@pytest.fixture
def independent() -> str:
    return prompts("--shots", "1,2,5")


def constant(model: onnx.ModelProto, name: str, values) -> str:
    model.graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), name))
    return name


def sliced_logits(model: onnx.ModelProto, starts: str) -> None:
    """Removes the logits before position `starts`."""
    for node in model.graph.node:
        node.output[:] = ["all_logits" if name == "logits" else name for name in node.output]
    inputs = ["all_logits", starts, constant(model, "end", [1 << 62]), constant(model, "axis", [1])]
    model.graph.node.append(helper.make_node("Slice", inputs, ["logits"]))


def answers(folder: Path, data: str, *options) -> list[dict]:
    done = infer(folder, data, "--quiet", *options)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def alike(found: list[dict], expected: list[dict], close: float = CLOSE) -> None:
    """Checks that the answers agree, unless the model's margin is small."""
    assert len(found) == len(expected) > 10
    checked = 0
    for one, other in zip(found, expected):
        if other["margin"] < 2 * close:
            continue
        checked += 1
        assert one["output"] == other["output"]
        for column in ("answer_logprob", "margin"):
            assert (one[column] is None) == (other[column] is None)
            assert abs((one[column] or 0) - (other[column] or 0)) < close * len(one["answer"])
    assert checked > len(expected) / 2


@pytest.mark.parametrize("method", ["score", "generate"])
class TestAsThePlainExport:
    """Each variant is the same model."""

    @pytest.fixture
    def check(self, data, method, tmp_path):
        def check(folder: Path, **tolerance) -> None:
            ask = lambda folder: answers(folder, data, "--method", method)
            alike(ask(folder), ask(TINY), **tolerance)

        return check

    def test_one_of_onnxruntime_genai(self, check):
        check(GENAI)

    def test_one_that_is_asked_how_many_logits_to_keep(self, check, tmp_path):
        model = model_of()
        model.graph.input.append(helper.make_tensor_value_info("num_logits_to_keep", TensorProto.INT64, []))
        first = constant(model, "first", [1])
        model.graph.node.append(helper.make_node("Neg", ["num_logits_to_keep"], ["start"]))
        model.graph.node.append(helper.make_node("Reshape", ["start", first], ["starts"]))
        sliced_logits(model, "starts")
        check(written(model, tmp_path / "kept"))

    def test_one_whose_weights_lie_in_a_file_of_any_name(self, check, tmp_path):
        name = "model_fp32.onnx_data_0"
        check(written(model_of(), tmp_path / "data", save_as_external_data=True, location=name, size_threshold=0))

    def test_one_with_a_branch_for_what_follows_a_past(self, check, tmp_path):
        check(written(merged(model_of()), tmp_path / "merged"))

    def test_one_in_float16(self, check, tmp_path):
        check(written(narrowed(model_of(), TensorProto.FLOAT16), tmp_path / "half"), close=0.03)

    def test_one_of_onnxruntime_genai_in_float16(self, check, tmp_path):
        check(written(narrowed(model_of(GENAI), TensorProto.FLOAT16), tmp_path / "half", GENAI), close=0.03)


def merged(model: onnx.ModelProto) -> onnx.ModelProto:
    """Merged as optimum merges decoders: one branch ignores the past; one was traced with one token after a past."""
    graph = model.graph
    none = [constant(model, "zero", [0]), constant(model, "zero ", [0]), constant(model, "axis 2", [2])]
    one = constant(model, "one token", [0, 1])
    pasts = [port.name for port in graph.input if port.name.startswith("past")]

    def branch(name: str, nodes: list, names: dict[str, str]) -> onnx.GraphProto:
        for node in graph.node:
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            copy.input[:] = [names.get(name, name) for name in node.input]
            nodes.append(copy)
        return helper.make_graph(nodes, name, [], graph.output)

    forgotten = {past: f"{past} forgotten" for past in pasts}
    without = branch("without", [helper.make_node("Slice", [p, *none], [to]) for p, to in forgotten.items()], forgotten)
    alone = {"input_ids": "input_ids alone"}
    behind = branch("behind", [helper.make_node("Reshape", ["input_ids", one], ["input_ids alone"])], alone)
    node = helper.make_node(
        "If", ["use_cache_branch"], [port.name for port in graph.output], then_branch=behind, else_branch=without
    )
    graph.input.append(helper.make_tensor_value_info("use_cache_branch", TensorProto.BOOL, [1]))
    whole = helper.make_graph([node], "merged", graph.input, graph.output, graph.initializer)
    return helper.make_model(whole, opset_imports=model.opset_import, ir_version=model.ir_version)


def test_float16_is_answered_as_onnx_runtime_itself_decodes(independent, tmp_path):
    folder = written(narrowed(model_of(), TensorProto.FLOAT16), tmp_path / "half")
    model = Greedy(folder)
    for row in answers(folder, independent, "--method", "score"):
        if row["margin"] > 0.05:
            assert row["output"] == model.answer(row["prompt"], row["bits"])


def test_bfloat16_says_that_it_needs_a_gpu(independent, tmp_path):
    folder = written(narrowed(model_of(GENAI), TensorProto.BFLOAT16), tmp_path / "bfloat16", GENAI)
    refused(infer(folder, independent), 3, "MatMul", "--device cuda")


@pytest.fixture
def pruned(tmp_path) -> Path:
    """A graph that gives only the logits of the last token."""
    model = model_of(GENAI)
    sliced_logits(model, constant(model, "last", [-1]))
    logits = next(port for port in model.graph.output if port.name == "logits")
    logits.type.tensor_type.shape.dim[1].dim_value = 1
    return written(model, tmp_path / "pruned", GENAI)


def test_a_pruned_head_generates(pruned, data):
    found, expected = (answers(folder, data, "--method", "generate") for folder in (pruned, TINY))
    alike(found, expected)


def test_a_pruned_head_scores_and_verifies_nothing(pruned, independent):
    refused(infer(pruned, independent), 2, "--method score", "prune_lm_head", "use --method generate")
    recorded = {"reference": "", "input_ids": [18, 19, 19], "positions": [1, 2], "ids": [[1], [2]], "logits": [[0.0], [0.0]]}
    (pruned / "card.json").write_text(json.dumps({"recorded": recorded}))
    refused(infer(pruned, "", "--verify"), 3, "prune_lm_head")


def test_a_graph_for_single_tokens_is_refused(independent, tmp_path):
    model = model_of()
    tokens = next(port for port in model.graph.input if port.name == "input_ids")
    tokens.type.tensor_type.shape.dim[1].dim_value = 1
    folder = written(model, tmp_path / "decoder_with_past")
    refused(infer(folder, independent), 3, "model.onnx", "calls of 1 token only")


def test_the_hash_is_of_the_graph_and_its_weights_whatever_they_are_called(independent, tmp_path):
    external = dict(save_as_external_data=True, location="weights.bin", size_threshold=0)
    folder = written(model_of(), tmp_path / "js", **external)
    (folder / "onnx").mkdir()
    for name in ("model.onnx", "weights.bin"):
        shutil.move(folder / name, folder / "onnx" / name.replace("model", "model_fp32"))
    out = tmp_path / "out.jsonl"
    done = infer(folder, independent, "-o", out)
    assert done.returncode == 0, done.stderr
    weights = b"".join((folder / "onnx" / name).read_bytes() for name in ("model_fp32.onnx", "weights.bin"))
    assert hashlib.sha256(weights).hexdigest() in Path(f"{out}.provenance.json").read_text()
    (folder / "onnx" / "weights.bin").unlink()
    refused(infer(folder, independent), 3, "onnx/weights.bin: no such file")
