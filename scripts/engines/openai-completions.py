#!/usr/bin/env python3
"""Engine for `infer --model exec:`: any server with an OpenAI-compatible completions endpoint (vLLM, llama.cpp, others).

    infer --model 'exec:scripts/engines/openai-completions.py http://127.0.0.1:8000' --name Qwen3-8B prompts.arrow

Each request becomes one `POST URL/v1/completions` with max_tokens = the number of symbols wanted, a few of them at a
time. 429, 5xx and connections that fail are tried again, after waits that double (or as long as the server's Retry-After
says); any other refusal ends the engine with the server's own words.

- Greedy: temperature 0, and every penalty and sampler that the known servers have (vLLM, SGLang, llama.cpp,
  llama-cpp-python, Ollama) as neutral, since a server or a model may bring its own. Servers that refuse fields which they
  do not know (OpenAI's) need --strict. Where the server gives alternatives, each token has to be the most probable one;
  one that is not ends the engine, and answers that could not be looked at are counted. So does a prompt of which the
  server read more tokens than it has (a chat template around it), and an answer that it cut short (a full context).
- Without --tokenizer, the server cuts the prompt into tokens, and may merge symbols that `infer`'s own engine keeps apart.
  With it, the server gets token ids, one a symbol (vLLM, SGLang, llama.cpp's server; not llama-cpp-python, Ollama).
- The answer is text: its first symbols, as many as were asked for.
- `logprob` and `margin` come from the log-probabilities of the server, where it gives them and where its tokens make
  up the answer exactly; otherwise they are null.
- Whether a beginning-of-sequence token goes before the prompt is the server's affair (vLLM:
  --extra '{"add_special_tokens": false}' leaves it out), or with --tokenizer that of --bos; say `infer --bos always` where
  there is one.
- The key is read from an environment variable (--api-key-env), so that it stands on no command line and in no record.
- The two bit symbols cannot be made to compete alone: `infer --constrain` is refused.

Standard library only, but for --tokenizer, which needs the package `tokenizers`.
"""

import argparse
import http.client
import json
import math
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from protocol import Answer, EngineError, Request, reply, requests, run, say
from symbols import Symbols

NAME = "openai-completions"
# infer: neutral: http://* https://* --concurrency --retries --timeout --api-key-env

# Settings that OpenAI's own endpoint accepts.
GREEDY = {"temperature": 0, "top_p": 1, "presence_penalty": 0, "frequency_penalty": 0}
# Settings of other servers, under all their names. `top_k` is 1: SGLang refuses 0 and llama-cpp-python refuses -1.
NEUTRAL = {
    "top_k": 1, "min_p": 0, "repetition_penalty": 1, "repeat_penalty": 1, "typical_p": 1, "top_n_sigma": -1,
    "mirostat": 0, "mirostat_mode": 0, "dry_multiplier": 0, "xtc_probability": 0, "dynatemp_range": 0,
    "adaptive_target": -1,
}  # fmt: skip
# Equal logits give equal log-probabilities, except for rounding.
TIE = 1e-4
# vLLM writes this for minus infinity in its JSON; OpenAI's endpoint writes it for values that it leaves out.
NOTHING = -9999.0
FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
# Statuses worth a retry: too many requests, a timeout, and any error on the server's side.
TRANSIENT = {408, 409, 425, 429, *range(500, 600)}


class Transient(Exception):
    """A failure that a retry may cure; `wait` is the delay that the server asks for, in seconds."""

    def __init__(self, what: str, wait: float | None = None) -> None:
        super().__init__(what)
        self.wait = wait


@dataclass
class Server:
    """An endpoint. Each thread keeps its own connection."""

    url: str
    key: str | None
    timeout: float
    retries: int
    _local: threading.local = field(default_factory=threading.local)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url if "://" in self.url else f"http://{self.url}")
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise EngineError("expected a URL without a password, as http://127.0.0.1:8000 (--api-key-env)")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connect = lambda: kind(parts.hostname, parts.port, timeout=self.timeout)
        self._root = parts.path.rstrip("/").removesuffix("/v1")

    def call(self, method: str, path: str, body: dict | None = None) -> dict:
        """The server's answer to a POST or GET. Transient failures are retried."""
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
        # The connection is put back only after success: after a failure, unread data may still arrive on it.
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
            # The header may also be a date; then we use our own delay.
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
    """The server's own words for refusing a request."""
    return f"{response.status} {response.reason}: {text[:300].decode(errors='replace').strip()}"


@dataclass(frozen=True)
class Token:
    """A token of an answer: its text, its ln p, and the ln p of the most probable tokens at its position."""

    text: str
    logprob: float | None
    best: list[float]

    @classmethod
    def of(cls, text: str, logprob: float | None, best: list[float | None]) -> "Token":
        number = lambda p: None if p is None or math.isnan(p) else -math.inf if p <= NOTHING else p
        return cls(text, number(logprob), sorted((p for p in map(number, best) if p is not None), reverse=True))

    def check(self) -> bool:
        """Whether the server confirms that this token is the most probable one. Raises an error if another one is."""
        if self.logprob is None or not self.best:
            return False
        if self.best[0] - self.logprob > TIE:
            raise EngineError(
                f"the server does not decode greedily: it took {self.text!r} (ln p {self.logprob:.4f}) where another "
                f"token has {self.best[0]:.4f}; a penalty or sampler of its own? --extra can switch it off"
            )
        return True


def tokens_of(logprobs: dict | None) -> list[Token]:
    """The tokens in a choice's `logprobs`, in the layout of OpenAI and vLLM or in the chat layout of llama.cpp."""
    if not logprobs:
        return []
    if "content" in logprobs:
        return [
            Token.of(t["token"], t["logprob"], [a["logprob"] for a in t.get("top_logprobs") or []])
            for t in logprobs["content"] or []
        ]
    tops = logprobs.get("top_logprobs") or [None] * len(logprobs["tokens"])
    return [
        Token.of(text, logprob, list((top or {}).values()))
        for text, logprob, top in zip(logprobs["tokens"], logprobs["token_logprobs"], tops)
    ]


def answer_of(text: str, tokens: list[Token], max_symbols: int) -> Answer:
    """The first symbols of a text. It has ln p and a gap only if those symbols are made of whole tokens."""
    output = text[:max_symbols]
    used, text = [], ""
    for token in tokens:
        if len(text) >= len(output):
            break
        text += token.text
        used.append(token)
    if not used or text != output or any(token.logprob is None for token in used):
        return Answer(output)
    gaps = [token.best[0] - token.best[1] for token in used if len(token.best) > 1]
    return Answer(
        output,
        logprob=min(sum(token.logprob for token in used), 0.0),
        margin=min(gaps) if len(gaps) == len(used) else None,
    )


def answer_in_words(tokens: list[Token]) -> Answer:
    """An answer in which each symbol is one token. Symbols need not be single characters."""
    if not tokens:
        raise EngineError("where symbols are words, the server has to name its tokens (--logprobs)")
    gaps = [token.best[0] - token.best[1] for token in tokens if len(token.best) > 1]
    logprobs = [token.logprob for token in tokens if token.logprob is not None]
    return Answer(
        [token.text for token in tokens],
        logprob=min(sum(logprobs), 0.0) if len(logprobs) == len(tokens) else None,
        margin=min(gaps) if len(gaps) == len(tokens) else None,
    )


@dataclass
class Engine:
    """A server, the settings sent with every request, and the tokenizer, if prompts are tokenized here."""

    server: Server
    settings: dict
    symbols: Symbols | None
    leading: list[int]
    # How many answers there are, and how many had tokens that could not be checked. Threads add under the lock.
    answers: int = 0
    unchecked: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, request: Request) -> Answer:
        if request.constrained:
            raise EngineError("--constrain: a completions server does not let the two bit symbols compete alone")
        prompt, are_words = request.prompt, isinstance(request.prompt, list)
        if are_words and not self.symbols:
            raise EngineError("prompts of words go out as token ids: give --tokenizer FOLDER")
        if self.symbols:
            prompt = self.leading + [self.symbols.id(symbol) for symbol in prompt]
        body = {"prompt": prompt, "max_tokens": request.max_symbols, "stream": False} | self.settings
        found = self.server.call("POST", "completions", body)
        try:
            choice = found["choices"][0]
            text, tokens = choice["text"], tokens_of(choice.get("logprobs"))
            self._check_counts(prompt, request.max_symbols, found.get("usage") or {}, choice.get("finish_reason"))
            answer = answer_in_words(tokens) if are_words else answer_of(text, tokens, request.max_symbols)
        except (KeyError, IndexError, TypeError, AttributeError) as err:
            raise EngineError(f"{self.server.url}: no completion in {json.dumps(found)[:300]}") from err
        # Check every token, even if an earlier one could not be checked.
        checked = [token.check() for token in tokens]
        with self._lock:
            self.answers += 1
            self.unchecked += not (checked and all(checked))
        return answer

    def _check_counts(self, prompt: str | list[int], wanted: int, usage: dict, reason: str | None) -> None:
        """Checks that the server read this prompt and wrote all requested tokens, unless the sequence ended."""
        read, written = usage.get("prompt_tokens"), usage.get("completion_tokens")
        if isinstance(prompt, list):
            expected, is_wrong = f"{len(prompt)} tokens", read is not None and read != len(prompt)
        else:
            # A token is at least one byte, except one that begins the sequence and a blank before the text.
            size = len(prompt.encode())
            expected, is_wrong = f"{size} bytes", read is not None and read > size + 2
        if is_wrong:
            raise EngineError(
                f"{self.server.url}: it read {read} tokens for a prompt of {expected}; does it put a chat template or a "
                "token of its own around it?"
            )
        if reason == "length" and written is not None and written < wanted:
            raise EngineError(
                f"{self.server.url}: it stopped after {written} of {wanted} tokens; is the prompt too long for its context?"
            )

    def serve(self, concurrency: int) -> None:
        def work(request: Request) -> None:
            # The main thread is waiting for input, so only this call ends the process at once.
            code = run(NAME, lambda: reply(request, self.answer(request)))
            if code:
                os._exit(code)

        with ThreadPoolExecutor(concurrency) as pool:
            for request in requests():
                pool.submit(work, request)
        if self.unchecked:
            say(
                f"{NAME}: whether {self.unchecked} of {self.answers} answers are greedy could not be checked: the server "
                "gave no alternatives (--logprobs)"
            )


def first_model(server: Server) -> str:
    found = server.call("GET", "models")
    try:
        return found["data"][0]["id"]
    except (KeyError, IndexError, TypeError) as err:
        raise EngineError(f"{server.url}: no model in {json.dumps(found)[:300]}; give --model") from err


def tokenizer_of(folder: str, bos: str) -> tuple[Symbols, list[int]]:
    """The tokenizer of a model folder, and the tokens that it puts before a prompt."""
    try:
        from tokenizers import Tokenizer
    except ImportError as err:
        raise EngineError("--tokenizer needs the package tokenizers: pip install tokenizers") from err
    path = Path(folder, "tokenizer.json")
    try:
        tokenizer = Tokenizer.from_file(str(path))
        bos_id = None
        if bos == "always":
            path = Path(folder, "config.json")
            bos_id = json.loads(path.read_text(encoding="utf-8")).get("bos_token_id")
    except Exception as err:  # the package raises nothing more special
        raise EngineError(f"{path}: {err}") from err
    symbols = Symbols(tokenizer, tokenizer.get_vocab_size())
    leading = symbols.leading(bos, bos_id)
    say(f"{NAME}: token ids by {folder}, {symbols.words(leading)}")
    return symbols, leading


def main() -> int:
    parser = argparse.ArgumentParser(
        prog=NAME, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", metavar="URL", help="the server, as http://127.0.0.1:8000 (with or without /v1)")
    parser.add_argument("--model", metavar="NAME", help="the model to ask for (default: the first that the server has)")
    parser.add_argument("--concurrency", type=int, default=8, metavar="N", help="requests at a time (default: 8)")
    parser.add_argument("--logprobs", type=int, default=2, metavar="N",
                        help="most probable tokens to ask for at each place; 2 give the margin, 0 asks for none")
    parser.add_argument("--tokenizer", metavar="FOLDER",
                        help="send token ids by this folder's tokenizer.json, one a symbol (default: text)")
    parser.add_argument("--bos", default="auto", choices=["auto", "always", "never"],
                        help="with --tokenizer: whether a beginning-of-sequence token goes before a prompt")
    parser.add_argument("--strict", action="store_true",
                        help="send no field that OpenAI's own endpoint has not, for servers that refuse others")
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

    if args.bos != "auto" and not args.tokenizer:
        parser.error("--bos goes with --tokenizer; without it, the server decides")

    def work() -> None:
        server = Server(args.url, os.environ.get(args.api_key_env), args.timeout, args.retries)
        symbols, leading = tokenizer_of(args.tokenizer, args.bos) if args.tokenizer else (None, [])
        settings = {"model": args.model or first_model(server)} | GREEDY
        say(f"{NAME}: {settings['model']} at {args.url}")
        if not args.strict:
            settings |= NEUTRAL
        if args.logprobs:
            settings["logprobs"] = args.logprobs
        Engine(server, settings | args.extra, symbols, leading).serve(args.concurrency)

    return run(NAME, work)


if __name__ == "__main__":
    sys.exit(main())
