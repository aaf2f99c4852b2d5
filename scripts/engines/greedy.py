"""Turns a model's greedy tokens and their logits into an answer, as `infer`'s own engine does. For torch engines."""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from protocol import Answer, EngineError, Request

if TYPE_CHECKING:
    import torch


def answer_of(
    request: Request, tokens: list[int], logits: "torch.Tensor", text_of: Callable[[int], str], stop: Collection[int]
) -> Answer:
    """The answer that `tokens` spell. Each token is the arg-max of its row of `logits` [tokens, competitors].

    An end-of-sequence token (`stop`) ends the answer; its gap counts, its probability does not. If symbols are single
    characters and tokens hold several, there may be more symbols than requested: only the first ones are kept.
    """
    logits = logits.double()
    logprobs = logits.log_softmax(-1).amax(-1)
    best = logits.topk(2, -1).values
    gaps = best[:, 0] - best[:, 1]
    length = next((i for i, token in enumerate(tokens) if token in stop), len(tokens))
    if logprobs[: length + 1].isnan().any():
        raise EngineError("the model's logits are no numbers")
    output = [text_of(token) for token in tokens[:length]]
    return Answer(
        output if isinstance(request.prompt, list) else "".join(output)[: request.max_symbols],
        logprob=min(float(logprobs[:length].sum()), 0.0),
        margin=float(gaps[: length + 1].min()),
    )
