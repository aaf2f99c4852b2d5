"""Every family from a Hugging Face folder to answers: what transformers says of the same weights is what comes out.

    SHOTLINE_BIN=target/release python3 -m pytest tests/python/test_families.py

The models are written here from seeds (seeded_models.py); what transformers says of them is kept in
tests/fixtures/models/families.json (tests/oracle/make_family_fixtures.py).
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest

from converter import ROOT, convert
from onnx_model import Model
from seeded_models import write_seeded

FIXTURE = json.loads((ROOT / "tests" / "fixtures" / "models" / "families.json").read_text())
# Of the largest absolute logit.
TOLERANCE = 1e-5


@pytest.fixture(scope="module", params=FIXTURE["models"], ids=lambda m: f"{m['family']}-{m['seed']}-{m['weights']}")
def converted(request, tmp_path_factory):
    """(what transformers says, the converted folder)"""
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


@pytest.fixture(scope="module", params=[m for m in FIXTURE["models"] if m["seed"] == 11], ids=lambda m: m["family"])
def for_cuda(request, tmp_path_factory):
    """The same, converted for CUDA: another operator attends, on every device alike."""
    expected = request.param
    temp = tmp_path_factory.mktemp(expected["family"])
    write_seeded(temp / "source", expected["family"], expected["seed"])
    options = ("--weights", expected["weights"], "--device", "cuda")
    return expected, convert(temp / "source", temp / "model", *options)


def test_graphs_for_cuda_give_the_same_on_the_processor(for_cuda):
    test_logits_are_those_of_transformers(for_cuda)
    test_infer_answers_as_transformers_generates(for_cuda, "score")


def test_graphs_for_cuda_have_no_operator_that_cuda_lacks_in_float32(for_cuda):
    graph = onnx.load(for_cuda[1] / "model.onnx", load_external_data=False).graph
    operators = {node.op_type for node in graph.node}
    assert "Attention" in operators and "GroupQueryAttention" not in operators


def run_infer(folder: Path, method: str) -> subprocess.CompletedProcess:
    """infer on the fixture's prompts."""
    infer = Path(os.environ.get("SHOTLINE_BIN", "")).resolve() / "infer"
    assert infer.is_file(), "SHOTLINE_BIN must name the folder of the built filters"
    library = sorted((ROOT / "runtime").glob("libonnxruntime.so*"))
    prompts = "".join(json.dumps(prompt) + "\n" for prompt in FIXTURE["prompts"])
    command = [infer, "--model", folder, "--method", method, *(["--ort-lib", library[0]] if library else [])]
    return subprocess.run(list(map(str, command)), input=prompts, capture_output=True, text=True, check=False)


def with_cache_in_place(folder: Path, copy: Path, in_place: bool) -> Path:
    """A copy of a model folder whose card says so."""
    shutil.copytree(folder, copy)
    card = json.loads((copy / "card.json").read_text())
    assert card["cache_in_place"] != in_place
    (copy / "card.json").write_text(json.dumps({**card, "name": folder.name, "cache_in_place": in_place}))
    return copy


@pytest.mark.parametrize("method", ["generate", "score"])
def test_a_cache_in_place_gives_what_a_copied_one_gives(converted, method, tmp_path):
    folder = converted[1]
    copying = with_cache_in_place(folder, tmp_path / "copying", in_place=False)
    in_place, copied = run_infer(folder, method), run_infer(copying, method)
    assert (in_place.returncode, copied.returncode) == (0, 0), in_place.stderr + copied.stderr
    assert in_place.stdout == copied.stdout


def test_a_card_that_claims_a_cache_in_place_falsely_is_refused(for_cuda, tmp_path):
    done = run_infer(with_cache_in_place(for_cuda[1], tmp_path / "lying", in_place=True), "score")
    assert (done.returncode, done.stdout) == (3, ""), done.stderr
    assert done.stderr.startswith("infer: ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("method", ["generate", "score"])
def test_infer_answers_as_transformers_generates(converted, method):
    expected, folder = converted
    done = run_infer(folder, method)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    key = lambda row: (row["function"], row["design"], row["shots"])
    assert [key(row) for row in found] == [key(row) for row in expected["answers"]]
    assert [row["output"] for row in found] == [row["output"] for row in expected["answers"]]
    # What a model's own tokenizer puts before a text, and nothing else.
    assert {row["bos"] for row in found} == {expected["family"] in ("llama", "gemma3_text")}
    np.testing.assert_allclose(
        [row["margin"] for row in found], [row["margin"] for row in expected["answers"]], atol=2e-4
    )
