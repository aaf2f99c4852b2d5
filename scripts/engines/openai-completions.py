#!/usr/bin/env python3
"""Engine for `infer --model exec:`: any server with an OpenAI-compatible completions endpoint (vLLM, llama.cpp, others).

    infer --model 'exec:scripts/engines/openai-completions.py http://127.0.0.1:8000' --name Qwen3-8B prompts.arrow

Each request becomes one `POST URL/v1/completions` with temperature 0 and max_tokens = the number of symbols wanted, a
few of them at a time. 429, 5xx and connections that fail are tried again, after waits that double (or as long as the
server's Retry-After says); any other refusal ends the engine with the server's own words.

- The server's tokenizer cuts the prompt into tokens, and may merge symbols that `infer`'s own engine keeps apart. The
  answer is text: its first symbols, as many as were asked for. Choose symbols that are one token each (digits are, for
  most vocabularies) to compare with other engines.
- `logprob` and `margin` come from the log-probabilities of the server, where it gives them and where its tokens make
  up the answer exactly; otherwise they are null.
- Whether a beginning-of-sequence token goes before the prompt is the server's affair (vLLM:
  --extra '{"add_special_tokens": false}' leaves it out); say `infer --bos always` where there is one.
- The key is read from an environment variable (--api-key-env), so that it stands on no command line and in no record.
- The two bit symbols cannot be made to compete alone: `infer --constrain` is refused.

Standard library only.
"""

import argparse
import http.client
import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from protocol import Answer, EngineError, Request, reply, requests, run

NAME = "openai-completions"
FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
# Too many requests, a timeout, and whatever goes wrong on the server's side.
TRANSIENT = {408, 409, 425, 429, *range(500, 600)}


class Transient(Exception):
    """A failure that may not come again; `wait` is the server's own wish, in seconds."""

    def __init__(self, what: str, wait: float | None = None) -> None:
        super().__init__(what)
        self.wait = wait


@dataclass
class Server:
    """An endpoint; each thread keeps a connection of its own."""

    url: str
    key: str | None
    timeout: float
    retries: int
    _local: threading.local = field(default_factory=threading.local)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url if "://" in self.url else f"http://{self.url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise EngineError(f"{self.url!r}: expected a URL, as http://127.0.0.1:8000")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connect = lambda: kind(parts.hostname, parts.port, timeout=self.timeout)
        self._root = parts.path.rstrip("/").removesuffix("/v1")

    def call(self, method: str, path: str, body: dict | None = None) -> dict:
        """The server's answer to POST or GET; failures that may pass are tried again."""
        for attempt in range(self.retries + 1):
            try:
                return self._call(method, f"{self._root}/v1/{path}", body)
            except Transient as err:
                if attempt == self.retries:
                    raise EngineError(f"{self.url}: {err}, {attempt + 1} times in a row") from err
                wait = FIRST_WAIT * 2**attempt if err.wait is None else err.wait
                time.sleep(min(wait, LONGEST_WAIT))
        raise AssertionError("there is at least one attempt")

    def _call(self, method: str, path: str, body: dict | None) -> dict:
        connection = self._local.__dict__.setdefault("connection", None) or self._connect()
        # Put back only when all went well: after a failure nobody knows what is still to come on it.
        self._local.connection = None
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as err:
            connection.close()
            raise Transient(f"{type(err).__name__}: {err}") from err
        if response.status in TRANSIENT:
            wait = response.headers.get("Retry-After", "")
            # It may also be a date; then our own wait does.
            raise Transient(refusal(response, text), float(wait) if wait.isdigit() else None)
        if response.status != 200:
            raise EngineError(f"{self.url}: {refusal(response, text)}")
        try:
            found = json.loads(text)
        except ValueError as err:
            raise Transient(f"no JSON in {text[:80]!r}") from err
        self._local.connection = connection
        return found


def refusal(response: http.client.HTTPResponse, text: bytes) -> str:
    """A refusal in the server's own words."""
    return f"{response.status} {response.reason}: {text[:300].decode(errors='replace').strip()}"


@dataclass(frozen=True)
class Token:
    """A token of an answer: its text, its ln p, and those of the most probable tokens in its place."""

    text: str
    logprob: float
    best: list[float]


def tokens_of(logprobs: dict | None) -> list[Token]:
    """The tokens in a choice's `logprobs`: OpenAI's and vLLM's layout, or that of chat, which llama.cpp gives."""
    if not logprobs:
        return []
    if "content" in logprobs:
        return [
            Token(t["token"], t["logprob"], [a["logprob"] for a in t.get("top_logprobs") or []])
            for t in logprobs["content"] or []
        ]
    tops = logprobs.get("top_logprobs") or [None] * len(logprobs["tokens"])
    return [
        Token(text, logprob, list((top or {}).values()))
        for text, logprob, top in zip(logprobs["tokens"], logprobs["token_logprobs"], tops)
    ]


def answer_of(choice: dict, max_symbols: int) -> Answer:
    """The first symbols of a choice; its figures where whole tokens make them up."""
    output = choice["text"][:max_symbols]
    used, text = [], ""
    for token in tokens_of(choice.get("logprobs")):
        if len(text) >= len(output):
            break
        text += token.text
        used.append(token)
    if not used or text != output or any(token.logprob is None for token in used):
        return Answer(output)
    gaps = [best[0] - best[1] for token in used if len(best := sorted(token.best, reverse=True)) > 1]
    return Answer(
        output,
        logprob=min(sum(token.logprob for token in used), 0.0),
        margin=min(gaps) if len(gaps) == len(used) else None,
    )


def answer(server: Server, request: Request, settings: dict) -> Answer:
    if request.constrained:
        raise EngineError("--constrain: a completions server does not let the two bit symbols compete alone")
    body = {"prompt": request.prompt, "max_tokens": request.max_symbols, "temperature": 0, "stream": False}
    found = server.call("POST", "completions", body | settings)
    try:
        return answer_of(found["choices"][0], request.max_symbols)
    except (KeyError, IndexError, TypeError, AttributeError) as err:
        raise EngineError(f"{server.url}: no completion in {json.dumps(found)[:300]}") from err


def serve(server: Server, settings: dict, concurrency: int) -> None:
    def work(request: Request) -> None:
        # The main thread waits for input: only this ends it at once.
        code = run(NAME, lambda: reply(request, answer(server, request, settings)))
        if code:
            os._exit(code)

    with ThreadPoolExecutor(concurrency) as pool:
        for request in requests():
            pool.submit(work, request)


def first_model(server: Server) -> str:
    found = server.call("GET", "models")
    try:
        return found["data"][0]["id"]
    except (KeyError, IndexError, TypeError) as err:
        raise EngineError(f"{server.url}: no model in {json.dumps(found)[:300]}; give --model") from err


def main() -> int:
    parser = argparse.ArgumentParser(
        prog=NAME, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", metavar="URL", help="the server, as http://127.0.0.1:8000 (with or without /v1)")
    parser.add_argument("--model", metavar="NAME", help="the model to ask for (default: the first that the server has)")
    parser.add_argument("--concurrency", type=int, default=8, metavar="N", help="requests at a time (default: 8)")
    parser.add_argument("--logprobs", type=int, default=2, metavar="N",
                        help="most probable tokens to ask for at each place; 2 give the margin, 0 asks for none")
    parser.add_argument("--retries", type=int, default=6, metavar="N", help="second attempts, and so on (default: 6)")
    parser.add_argument("--timeout", type=float, default=300, metavar="SECONDS", help="for one attempt (default: 300)")
    parser.add_argument("--api-key-env", default="OPENAI_API_KEY", metavar="VARIABLE",
                        help="where the key is (default: OPENAI_API_KEY; none is sent where it is not set)")
    parser.add_argument("--extra", type=json.loads, default={}, metavar="JSON", help="more fields for every request")
    args = parser.parse_args()
    if args.concurrency < 1 or args.retries < 0 or args.logprobs < 0 or args.timeout <= 0:
        parser.error("--concurrency and --timeout are above 0, --retries and --logprobs at least 0")
    if not isinstance(args.extra, dict):
        parser.error("--extra: expected a JSON object")

    def work() -> None:
        server = Server(args.url, os.environ.get(args.api_key_env), args.timeout, args.retries)
        settings = {"model": args.model or first_model(server)}
        if args.logprobs:
            settings["logprobs"] = args.logprobs
        serve(server, settings | args.extra, args.concurrency)

    return run(NAME, work)


if __name__ == "__main__":
    sys.exit(main())
