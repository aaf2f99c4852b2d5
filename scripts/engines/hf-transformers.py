#!/usr/bin/env python3
"""Engine for `infer --model exec:`: any causal language model by Hugging Face's transformers, for comparison.

    infer --model 'exec:env/bin/python scripts/engines/hf-transformers.py Qwen/Qwen3-8B --device cuda' \\
      --name Qwen3-8B --modality linguistic prompts.arrow

MODEL is a folder or a name on the Hugging Face hub. Greedy decoding with the model's cache; prompts of equal length are
read together, without padding. Every symbol is forced to be one token, as `infer`'s own engine does it (symbols.py), so
that letters never merge.

- `logprob` and `margin` are those of the whole vocabulary, or with `infer --constrain` of the two bit symbols.
- --bos auto puts a beginning-of-sequence token before a prompt where the tokenizer does. Say `infer --bos always` where
  the note at the start says that there is one.

Environment: python3 -m venv env && env/bin/pip install --require-hashes -r scripts/requirements/hf-transformers.txt
(Linux; torch with CUDA, about 5 GB), or any other with torch and transformers.
"""

import argparse
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass

from greedy import answer_of
from protocol import EngineError, Request, batches, reply, run, say
from symbols import Symbols

NAME = "hf-transformers"
# infer: neutral: --device --batch

try:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase
except ImportError as err:
    sys.exit(f"{NAME}: {err}; the head of this file says what it needs")


@dataclass
class Engine:
    """A model, the tokens that begin its prompts and the tokens that end its answers."""

    model: torch.nn.Module
    symbols: Symbols
    leading: list[int]
    stop: frozenset[int]

    @torch.inference_mode()
    def decode(self, batch: list[Request]) -> tuple[torch.Tensor, torch.Tensor]:
        """Greedy tokens [B, k] for prompts of equal length, and the logits [B, k, competitors] behind them."""
        ids = [self.leading + [self.symbols.id(c) for c in request.prompt] for request in batch]
        if not ids[0]:
            raise EngineError("an empty prompt, and no beginning-of-sequence token before it")
        fed = torch.tensor(ids, device=self.model.device)
        allowed = None
        if batch[0].constrained:
            # Sort by id, so that the lowest id wins a tie, as it does over the whole vocabulary.
            pairs = [sorted(self.symbols.id(s) for s in request.symbols) for request in batch]
            allowed = torch.tensor(pairs, device=self.model.device)
        last_only = {"logits_to_keep": 1} if takes(self.model.forward, "logits_to_keep") else {}
        past, tokens, rows = None, [], []
        for _ in range(batch[0].max_symbols):
            out = self.model(input_ids=fed, past_key_values=past, use_cache=True, **last_only)
            past = out.past_key_values
            row = out.logits[:, -1].float()
            if allowed is None:
                fed = row.argmax(-1, keepdim=True)
            else:
                row = row.gather(1, allowed)
                fed = allowed.gather(1, row.argmax(-1, keepdim=True))
            tokens.append(fed)
            rows.append(row)
        return torch.cat(tokens, 1), torch.stack(rows, 1)

    def serve(self, size: int) -> None:
        for batch in batches(size):
            tokens, logits = self.decode(batch)
            for request, answer, row in zip(batch, tokens.tolist(), logits):
                reply(request, answer_of(request, answer, row, self.symbols.text, self.stop))


def takes(function: Callable, name: str) -> bool:
    return name in inspect.signature(function).parameters


def ends(model: torch.nn.Module, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """The tokens that end an answer."""
    ids = [tokenizer.eos_token_id]
    for config in (model.config, getattr(model, "generation_config", None)):
        eos = getattr(config, "eos_token_id", None)
        ids += eos if isinstance(eos, list) else [eos]
    return frozenset(i for i in ids if i is not None)


def load(args: argparse.Namespace) -> Engine:
    try:
        tokenizer = AutoTokenizer.from_pretrained(args.model)
        dtype = args.dtype if args.dtype == "auto" else getattr(torch, args.dtype)
        model = AutoModelForCausalLM.from_pretrained(args.model, dtype=dtype).eval().to(args.device)
    except (OSError, ValueError, RuntimeError) as err:
        raise EngineError(f"{args.model}: {err}") from err
    if not tokenizer.is_fast:
        raise EngineError(f"{args.model}: its tokenizer has no tokenizer.json, nor can one be made of it")
    symbols = Symbols(tokenizer.backend_tokenizer, model.get_input_embeddings().num_embeddings)
    leading = symbols.leading(args.bos, tokenizer.bos_token_id)
    say(f"{NAME}: {args.model} on {model.device} in {model.dtype}; {symbols.words(leading)}")
    return Engine(model, symbols, leading, ends(model, tokenizer))


def main() -> int:
    parser = argparse.ArgumentParser(
        prog=NAME, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", metavar="MODEL", help="a folder, or a name on the hub")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 (default: cpu)")
    parser.add_argument("--dtype", default="auto", choices=["auto", "float32", "bfloat16", "float16"],
                        help="of weights and arithmetic (default: auto, as the weights were saved)")
    parser.add_argument("--batch", type=int, default=8, metavar="N", help="prompts to read together (default: 8)")
    parser.add_argument("--bos", default="auto", choices=["auto", "always", "never"],
                        help="whether a beginning-of-sequence token goes before a prompt")
    args = parser.parse_args()
    if args.batch < 1:
        parser.error("--batch is at least 1")
    return run(NAME, lambda: load(args).serve(args.batch))


if __name__ == "__main__":
    sys.exit(main())
