"""The engines that need torch, behind `infer --model exec:`, against infer's own engine on the same weights.

    make test-oracle            (target/venv-oracle, tests/oracle/requirements.txt)
"""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "python"))

from converter import convert  # noqa: E402
from seeded_models import FAMILIES, write_seeded  # noqa: E402

BIN = Path(os.environ.get("SHOTLINE_BIN", ROOT / "target" / "release"))
TINY_EVO2 = ROOT / "tests" / "fixtures" / "models" / "tiny-evo2"
# Two implementations in float32 differ by less than this on these models.
NOISE = 1e-3


def run(program: str, *arguments, data: bytes = b"", code: int = 0) -> subprocess.CompletedProcess:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    environment.setdefault("SHOTLINE_ORT_LIB", str(ROOT / "runtime"))
    command = [BIN / program, *map(str, arguments)]
    done = subprocess.run(command, input=data, capture_output=True, env=environment, check=False)
    assert done.returncode == code, done.stderr.decode()
    return done


def prompts(alphabet: str, *trials: str) -> bytes:
    encoded = run("encode", "--alphabet", alphabet, data=run("gen-tasks", *trials).stdout)
    return encoded.stdout


def records(done: subprocess.CompletedProcess) -> list[dict]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def engine(*command) -> str:
    return "exec:" + shlex.join(map(str, [sys.executable, *command]))


def compare(found: list[dict], expected: list[dict]) -> None:
    """The same answers wherever the best two logits are farther apart than noise, with the same figures."""
    assert [p["trial_id"] for p in found] == [p["trial_id"] for p in expected]
    certain = [(a, b) for a, b in zip(found, expected) if b["margin"] > NOISE]
    assert len(certain) > 0.8 * len(expected)
    for a, b in certain:
        assert a["output"] == b["output"][: b["bits"]], (a, b)
        assert a["margin"] == pytest.approx(b["margin"], abs=NOISE)
        if a["output"] == b["answer"]:
            assert a["answer_logprob"] == pytest.approx(b["answer_logprob"], abs=NOISE)
        else:
            assert a["answer_logprob"] is None
    assert len({a["output"] for a, _ in certain}) > 3


NESTED = ("--design", "nested", "--shots", "0,1,2,4", "--trials", "1", "--suite", "primitives")
MIXED = ("--shots", "1,3", "--trials", "2", "--suite", "primitives")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("options", [(), ("--constrain",)], ids=["all", "two"])
def test_transformers_answers_as_infers_own_engine_does(tmp_path, family, options):
    source = tmp_path / "hf"
    write_seeded(source, family, 1)
    model = convert(source, tmp_path / "onnx")
    hf = engine(ROOT / "scripts" / "engines" / "hf-transformers.py", source, "--dtype", "float32", "--batch", 3)
    for trials in (MIXED, NESTED):
        asked = prompts("linguistic", *trials)
        own = records(run("infer", "--model", model, *options, data=asked))
        done = run("infer", "--model", hf, *options, data=asked)
        compare(records(done), own)
        assert ("nothing before" in done.stderr.decode()) == (not own[0]["bos"])


def test_transformers_puts_no_token_before_a_prompt_where_none_is_wanted(tmp_path):
    source = tmp_path / "hf"
    write_seeded(source, "gemma3_text", 1)
    model = convert(source, tmp_path / "onnx")
    asked = prompts("genomic", *MIXED)
    for bos in ("always", "never"):
        hf = engine(ROOT / "scripts/engines/hf-transformers.py", source, "--dtype", "float32", "--bos", bos)
        found = records(run("infer", "--model", hf, "--bos", bos, data=asked))
        own = records(run("infer", "--model", model, "--bos", bos, data=asked))
        compare(found, own)
        assert {p["bos"] for p in found} == {p["bos"] for p in own} == {bos == "always"}


def test_transformers_says_what_it_cannot_do(tmp_path):
    program = ROOT / "scripts" / "engines" / "hf-transformers.py"
    asked = prompts("genomic", "--shots", "1", "--trials", "1", "--task", "identity")
    gone = run("infer", "--model", engine(program, tmp_path / "gone"), data=asked, code=3).stderr.decode()
    assert "hf-transformers: " in gone and "gone" in gone and "exit status: 1" in gone
    write_seeded(tmp_path / "hf", "llama", 0)
    strange = run("encode", "--alphabet", "\u00e4\u00f6\u00fc", data=run("gen-tasks", *MIXED).stdout).stdout
    foreign = run("infer", "--model", engine(program, tmp_path / "hf"), data=strange, code=3).stderr.decode()
    assert "is not one token of this model" in foreign


@pytest.mark.parametrize("options", [("--batch", 1), ("--batch", 4), ("--batch", 2, "--prefill", 16)], ids=str)
@pytest.mark.parametrize("trials", [MIXED, NESTED], ids=["mixed", "nested"])
def test_vortex_answers_as_infers_own_engine_does(options, trials):
    asked = prompts("genomic", *trials)
    vortex = engine(ROOT / "tests" / "oracle" / "evo2_engine.py", "tiny", "--device", "cpu", *options)
    compare(records(run("infer", "--model", vortex, data=asked)), records(run("infer", "--model", TINY_EVO2, data=asked)))


def test_vortex_says_what_it_cannot_do():
    vortex = engine(ROOT / "tests" / "oracle" / "evo2_engine.py", "tiny", "--device", "cpu")
    asked = prompts("genomic", *MIXED)
    refused = run("infer", "--model", vortex, "--constrain", data=asked, code=3).stderr.decode()
    assert "evo2-vortex: --constrain: vortex decodes over all tokens" in refused
    strange = run("encode", "--alphabet", "\u00e4\u00f6\u00fc", data=run("gen-tasks", *MIXED).stdout).stdout
    foreign = run("infer", "--model", vortex, data=strange, code=3).stderr.decode()
    assert "its tokens are bytes" in foreign
    missing = engine(ROOT / "scripts" / "engines" / "evo2-vortex.py", "evo2_7b")
    assert "the package evo2 cannot be used" in run("infer", "--model", missing, data=asked, code=3).stderr.decode()
