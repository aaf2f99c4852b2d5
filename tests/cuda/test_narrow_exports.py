"""Test ONNX exports of other tools with 16-bit KV caches, on a CUDA device that computes nothing.

    make test-cuda

The exports run on the device, and the KV caches stay on the device.
"""

import json

import pytest
from onnx import TensorProto

from device import run_infer
from exports import GENAI, TINY, model_of, narrowed, written


@pytest.mark.parametrize("method", ["score", "generate"])
@pytest.mark.parametrize(
    "source, element",
    [(GENAI, TensorProto.FLOAT16), (GENAI, TensorProto.BFLOAT16), (TINY, TensorProto.FLOAT16)],
    ids=["genai-float16", "genai-bfloat16", "optimum-float16"],
)
def test_narrow_caches_run_on_the_device(source, element, method, prompts, tmp_path):
    folder = written(narrowed(model_of(source), element), tmp_path / "model", source)
    # The device always answers token 0, so token 0 must not be the token that ends an answer.
    path = folder / ("genai_config.json" if source == GENAI else "config.json")
    path.write_text(path.read_text().replace('"eos_token_id": 0', '"eos_token_id": 2'))
    out = tmp_path / "out.jsonl"

    def run(prompts: str) -> dict:
        ran = run_infer(tmp_path, "--model", folder, "--method", method, "-o", out, prompts=prompts)
        assert ran.code == 0, ran.err
        assert len(out.read_text().splitlines()) >= len(prompts.splitlines())
        assert ran.report["launches"] > 0 and ran.report["launches_without_code"] == 0
        return ran.report

    text = prompts("llama")
    run(text)
    # Caches are cut on the host. The caches of independent prompts are never cut, so only the logits come back to the
    # host: 99 for each token, 2 bytes each.
    if method == "generate":
        report = run("".join(line for line in text.splitlines(True) if json.loads(line)["design"] == "independent"))
        chain = json.loads((tmp_path / "out.jsonl.provenance.json").read_text())
        assert report["to_host"]["bytes"] == chain[-1]["measured"]["tokens"] * 99 * 2
