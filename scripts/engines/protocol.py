"""The protocol between engines and `infer --model exec:`: JSON lines, described in docs/engines.md.

    for request in requests():
        reply(request, Answer(output=...))

or, for engines that process many prompts at a time, `for batch in batches(size): ...`. Standard output is reserved for
the answers: anything else that is printed goes to standard error.
"""

import json
import math
import os
import queue
import sys
import threading
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import TextIO

_REPLIES = os.fdopen(os.dup(1), "w", encoding="utf-8")
_LOCK = threading.Lock()
_FAILURE = threading.Lock()
# Libraries print; such a line among the answers would be an error. So standard output now goes to standard error.
os.dup2(2, 1)


@dataclass(frozen=True)
class Request:
    """A prompt to continue by at most `max_symbols` symbols. `symbols` are the symbols for the bits 0 and 1.

    A symbol is one character. If symbols are longer words, `prompt` and the answer's `output` are lists of words.
    """

    id: int
    prompt: str | list[str]
    symbols: tuple[str, str]
    max_symbols: int
    constrained: bool


@dataclass(frozen=True)
class Answer:
    """The greedy continuation, its ln p (nats) and the smallest gap between the two highest logits at any step."""

    output: str | list[str]
    logprob: float | None = None
    margin: float | None = None


class EngineError(Exception):
    """The engine cannot go on; the message is what the user reads."""


def requests(stream: TextIO = sys.stdin) -> Iterator[Request]:
    """Yields the requests as they arrive."""
    for line in stream:
        fields = json.loads(line)
        yield Request(
            fields["id"], fields["prompt"], tuple(fields["symbols"]), fields["max_symbols"], fields["constrained"]
        )


def batches(size: int, stream: TextIO = sys.stdin) -> Iterator[list[Request]]:
    """Yields batches of at most `size` requests of equal length. Each batch includes the oldest request that waits.

    A thread reads ahead. A batch never waits for more requests, because `infer` may be waiting for an answer.
    """
    arrived: queue.SimpleQueue[Request | Exception | None] = queue.SimpleQueue()

    def read() -> None:
        try:
            for request in requests(stream):
                arrived.put(request)
            arrived.put(None)
        except Exception as err:  # noqa: BLE001: handed to the thread that works
            arrived.put(err)

    threading.Thread(target=read, daemon=True).start()
    waiting: list[Request] = []
    more = True
    while more or waiting:
        while more and (not waiting or not arrived.empty()):
            item = arrived.get()
            if isinstance(item, Exception):
                raise item
            if item is None:
                more = False
            else:
                waiting.append(item)
        if waiting:
            like: Callable[[Request], Hashable] = lambda r: (len(r.prompt), r.max_symbols, r.constrained)
            batch = [r for r in waiting if like(r) == like(waiting[0])][:size]
            chosen = {r.id for r in batch}
            waiting = [r for r in waiting if r.id not in chosen]
            yield batch


def reply(request: Request, answer: Answer) -> None:
    """Answers a request. Several threads may call it at the same time. A figure that is NaN or infinite becomes null."""
    finite = lambda figure: figure if figure is not None and math.isfinite(figure) else None
    figures = {"logprob": finite(answer.logprob), "margin": finite(answer.margin)}
    fields = {"id": request.id, "output": answer.output} | figures
    with _LOCK:
        print(json.dumps(fields, ensure_ascii=False, allow_nan=False), file=_REPLIES, flush=True)


def say(text: str) -> None:
    """Prints a note to the user."""
    print(text, file=sys.stderr, flush=True)


def run(name: str, work: Callable[[], None]) -> int:
    """Runs an engine. Returns its exit code: 0 done, 1 failed (one line says why), 130 interrupted."""
    try:
        work()
    except BrokenPipeError:
        # infer has exited; so do we.
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception as err:  # noqa: BLE001: whatever it is, it must not vanish with the thread that it arose in
        # The lock is never released: if several threads fail, only one prints the reason.
        _FAILURE.acquire()
        what = str(err) if isinstance(err, EngineError) else f"{type(err).__name__}: {err}"
        say(f"{name}: {' '.join(what.split())}")
        return 1
    return 0
