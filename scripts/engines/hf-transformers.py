#!/usr/bin/env python3
"""Engine for `infer --model exec:`: any causal language model by Hugging Face's transformers, for comparison.

    infer --model 'exec:env/bin/python scripts/engines/hf-transformers.py Qwen/Qwen3-8B --device cuda' \\
      --name Qwen3-8B --modality linguistic prompts.arrow

MODEL is a folder or a name on the Hugging Face hub. Greedy decoding with the model's cache; prompts of equal length are
read together, without padding. Every symbol is forced to be one token, as `infer`'s own engine does it: a character's
token is looked up alone and believed only if it decodes to that very character, so that letters never merge.

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
from dataclasses import dataclass, field

from protocol import EngineError, Request, batches, reply, run, say

import torch
from greedy import answer_of
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase
from transformers.models.gpt2.tokenization_gpt2 import bytes_to_unicode

NAME = "hf-transformers"


@dataclass
class Symbols:
    """One symbol, one token: which token a character is, and which text a token."""

    tokenizer: PreTrainedTokenizerBase
    size: int
    _ids: dict[str, int] = field(default_factory=dict)

    def text(self, token: int) -> str:
        """A token's text inside a line; special tokens have none."""
        if token >= len(self.tokenizer):
            return "\N{REPLACEMENT CHARACTER}"
        decode = lambda ids: self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        # Decoders in the manner of SentencePiece take a blank off the front: what the second of two adds is the text.
        once = decode([token])
        return decode([token, token]).removeprefix(once)

    def id(self, symbol: str) -> int:
        """The one token that a character is."""
        if symbol not in self._ids:
            found = (i for i in self._candidates(symbol) if 0 <= i < self.size and self.text(i) == symbol)
            token = next(found, None)
            if token is None:
                raise EngineError(f"symbol {symbol!r} is not one token of this model")
            self._ids[symbol] = token
        return self._ids[symbol]

    def _candidates(self, symbol: str) -> list[int]:
        """Tokens that may be the character, the tokenizer's own choice first."""
        alone = self.tokenizer.encode(symbol, add_special_tokens=False)
        raw = symbol.encode()
        spellings = [symbol, "".join(bytes_to_unicode()[byte] for byte in raw)]
        spellings += ["\u2581"] if symbol == " " else []
        spellings += [f"<0x{raw[0]:02X}>"] if len(raw) == 1 else []
        vocabulary = self.tokenizer.get_vocab()
        return (alone if len(alone) == 1 else []) + [vocabulary[s] for s in spellings if s in vocabulary]

    def leading(self, bos: str) -> list[int]:
        """The tokens that go before a prompt."""
        if bos == "always":
            if self.tokenizer.bos_token_id is None:
                raise EngineError("--bos always: this model has no beginning-of-sequence token")
            return [self.tokenizer.bos_token_id]
        if bos == "never":
            return []
        whole, bare = (self.tokenizer.encode("0", add_special_tokens=special) for special in (True, False))
        special = set(self.tokenizer.all_special_ids)
        length = next((i for i, token in enumerate(whole) if token not in special), len(whole))
        return whole[:length] if whole != bare else []


@dataclass
class Engine:
    """A model, and how its prompts begin and its answers end."""

    model: torch.nn.Module
    symbols: Symbols
    leading: list[int]
    stop: frozenset[int]

    @torch.inference_mode()
    def decode(self, batch: list[Request]) -> tuple[torch.Tensor, torch.Tensor]:
        """Greedy tokens [B, k] of prompts alike in length, and the logits [B, k, competitors] that chose them."""
        ids = [self.leading + [self.symbols.id(c) for c in request.prompt] for request in batch]
        if not ids[0]:
            raise EngineError("an empty prompt, and no beginning-of-sequence token before it")
        fed = torch.tensor(ids, device=self.model.device)
        allowed = None
        if batch[0].constrained:
            # By ascending id, so that a tie goes to the lowest as it does over the whole vocabulary.
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
    symbols = Symbols(tokenizer, model.get_input_embeddings().num_embeddings)
    leading = symbols.leading(args.bos)
    before = f"{tokenizer.convert_ids_to_tokens(leading)} before" if leading else "nothing before"
    say(f"{NAME}: {args.model} on {model.device} in {model.dtype}; {before} each prompt")
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
