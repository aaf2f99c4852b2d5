"""Test the engines for `infer --model exec:` that need torch or a server, against infer's own engine.

    make test-oracle            (target/venv-oracle, tests/oracle/requirements.txt)

Both engines have the same weights. llama-cpp-python's server is in target/venv-oracle-llama-cpp. vLLM is not installed
here. It is tested only if SHOTLINE_VLLM has the address of a vLLM server with SmolLM2 in float32 (docs/engines.md).
"""

import json
import os
import shlex
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "python"))
sys.path.insert(0, str(ROOT / "benches"))

from converter import convert  # noqa: E402
from infer_llama import widen  # noqa: E402
from seeded_models import FAMILIES, write_seeded  # noqa: E402

BIN = Path(os.environ.get("SHOTLINE_BIN", ROOT / "target" / "release"))
TINY_EVO2 = ROOT / "tests" / "fixtures" / "models" / "tiny-evo2"
# Two implementations in float32 differ by less than this on these models.
NOISE = 1e-3
SMOLLM2 = ROOT / "models" / "smollm2-135m"
LLAMA_CPP = ROOT / "target" / "venv-oracle-llama-cpp" / "bin" / "python"
# llama.cpp keeps keys, values and the exponentials of the softmax in 16 bits.
LLAMA_NOISE = 0.05


def run(program: str, *arguments, data: bytes = b"", code: int = 0) -> subprocess.CompletedProcess:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    environment.setdefault("SHOTLINE_ORT_LIB", str(ROOT / "runtime"))
    command = [BIN / program, *map(str, arguments)]
    done = subprocess.run(command, input=data, capture_output=True, env=environment, check=False)
    assert done.returncode == code, done.stderr.decode()
    return done


def prompts(alphabet: str, *trials: str, template: str = "{x}{y}{sep}") -> bytes:
    encode = ("--alphabet", alphabet, "--template", template)
    return run("encode", *encode, data=run("gen-tasks", *trials).stdout).stdout


def records(done: subprocess.CompletedProcess) -> list[dict]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def engine(*command) -> str:
    return "exec:" + shlex.join(map(str, [sys.executable, *command]))


def compare(found: list[dict], expected: list[dict], noise: float = NOISE) -> None:
    """Checks that answers, margins and log-probabilities agree where the best two logits differ by more than noise."""
    assert [p["trial_id"] for p in found] == [p["trial_id"] for p in expected]
    certain = [(a, b) for a, b in zip(found, expected) if b["margin"] > noise]
    assert len(certain) > 0.8 * len(expected)
    for a, b in certain:
        assert a["output"] == b["output"][: b["bits"]], (a, b)
        assert a["margin"] == pytest.approx(b["margin"], abs=noise)
        if a["output"] == b["answer"]:
            assert a["answer_logprob"] == pytest.approx(b["answer_logprob"], abs=noise)
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


@pytest.fixture(scope="module")
def llama_cpp_python(tmp_path_factory):
    """The URL of llama-cpp-python's server, with SmolLM2's 4-bit weights widened to float32, as infer has them."""
    if not LLAMA_CPP.exists():
        pytest.skip(f"there is no {LLAMA_CPP}: make {LLAMA_CPP.parents[1].relative_to(ROOT)}/.whole")
    folder = tmp_path_factory.mktemp("llama")
    widen(ROOT / "models" / "gguf" / "SmolLM2-135M-Instruct.Q4_1.gguf", folder / "wide.gguf")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Without --logits_all, the server has no log-probabilities.
    command = [LLAMA_CPP, "-m", "llama_cpp.server", "--model", folder / "wide.gguf", "--logits_all", "true"]
    command += ["--host", "127.0.0.1", "--port", port, "--n_ctx", 512]
    log = folder / "log"
    with log.open("wb") as file:
        server = subprocess.Popen(list(map(str, command)), stdout=file, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(600):
            assert server.poll() is None, log.read_text()
            try:
                with urllib.request.urlopen(f"{url}/v1/models", timeout=5):
                    break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait()


def completions(url: str, *options) -> str:
    return engine(ROOT / "scripts" / "engines" / "openai-completions.py", url, *options)


LINES = ("--suite", "primitives", "--shots", "2", "--trials", "1")


def test_llama_cpp_python_answers_as_infers_own_engine_does(llama_cpp_python):
    asked = prompts("linguistic", *LINES, template="{x}>{y}\\n")
    done = run("infer", "--model", completions(llama_cpp_python), data=asked)
    assert b"greedy" not in done.stderr, "every token was checked"
    own = records(run("infer", "--model", SMOLLM2, data=asked))
    assert len(own) == 30
    compare(records(done), own, LLAMA_NOISE)


@pytest.mark.parametrize("options", [("--strict",), ("--extra", '{"repeat_penalty": 1.1}')], ids=["its own", "ours"])
def test_a_penalty_of_llama_cpp_python_is_found(llama_cpp_python, options):
    asked = prompts("linguistic", *LINES, template="{x}>{y}\\n")
    refused = run("infer", "--model", completions(llama_cpp_python, *options), data=asked, code=3).stderr.decode()
    assert "the server does not decode greedily: it took" in refused


def test_what_llama_cpp_python_cannot_do_is_said(llama_cpp_python):
    for shots, options, words in [
        ("1", ("--tokenizer", SMOLLM2), "Input should be a valid string"),
        ("40", (), "maximum context length is 512"),
    ]:
        asked = prompts("linguistic", "--task", "identity", "--trials", "1", "--shots", shots, template="{x}>{y}\\n")
        command = completions(llama_cpp_python, "--retries", "0", *options)
        assert words in run("infer", "--model", command, data=asked, code=3).stderr.decode()


@pytest.mark.skipif("SHOTLINE_VLLM" not in os.environ, reason="SHOTLINE_VLLM has no address")
@pytest.mark.parametrize(("alphabet", "options"), [("linguistic", ()), ("genomic", ("--tokenizer", SMOLLM2))])
def test_vllm_answers_as_infers_own_engine_does(alphabet, options):
    asked = prompts(alphabet, *LINES, template="{x}>{y}\\n")
    done = run("infer", "--model", completions(os.environ["SHOTLINE_VLLM"], *options), data=asked)
    assert b"greedy" not in done.stderr
    compare(records(done), records(run("infer", "--model", SMOLLM2, data=asked)))
