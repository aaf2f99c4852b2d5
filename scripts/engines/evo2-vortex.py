#!/usr/bin/env python3
"""Engine for `infer --model exec:`: Evo 2 by its authors' own package, `evo2` on vortex.

    infer --model 'exec:python3 scripts/engines/evo2-vortex.py evo2_40b --batch 4' \\
      --name evo2_40b --modality genomic --params 40.3e9 prompts.arrow -o predictions.parquet --resume

The sure road to the 1B, 20B and 40B models today: they need Transformer Engine's FP8 on a Hopper GPU. MODEL is one of
the package's names (evo2_7b, evo2_40b, evo2_1b_base and so on); weights come from the Hugging Face hub, or from --weights.
Greedy decoding with the model's cache, prompts of equal length together; a token is a byte, and a null byte ends an
answer. `logprob` and `margin` are those of the 512 tokens. `infer --constrain` is refused: vortex decodes over all.

Environment: Linux, CUDA, Python 3.11 or 3.12, and the package as its authors describe it
(https://github.com/ArcInstitute/evo2: pip install evo2, with flash-attn and, but for 7B, transformer_engine).
"""

import argparse
import sys

from greedy import answer_of
from protocol import EngineError, Request, batches, reply, run, say

NAME = "evo2-vortex"
# infer: neutral: --device --batch --prefill
END = 0

try:
    import torch
except ImportError as err:
    sys.exit(f"{NAME}: {err}; the head of this file says what it needs")


def text_of(token: int) -> str:
    """A token's text: its byte, if that byte is a character by itself."""
    return chr(token) if token < 128 else "\N{REPLACEMENT CHARACTER}"


class Engine:
    """vortex's own generator, with greedy decoding."""

    def __init__(self, model: torch.nn.Module, tokenizer, device: str, prefill: int | None) -> None:
        from vortex.model.generation import Generator

        self.generator = Generator(model, tokenizer, top_k=1, top_p=1.0, temperature=1.0)
        self.device = device
        self.prefill = prefill

    def decode(self, batch: list[Request]) -> tuple[torch.Tensor, torch.Tensor]:
        """Greedy tokens [B, k] for prompts of equal length, and the logits [B, k, 512] that chose them."""
        is_byte = lambda symbol: len(symbol) == 1 and symbol.isascii()
        foreign = next((s for request in batch for s in request.prompt if not is_byte(s)), None)
        if foreign is not None:
            raise EngineError(f"symbol {foreign!r} is not one token of this model: its tokens are bytes")
        if not batch[0].prompt:
            raise EngineError("an empty prompt, and no beginning-of-sequence token to put before it")
        if batch[0].constrained:
            raise EngineError("--constrain: vortex decodes over all tokens")
        ids = torch.tensor([[ord(symbol) for symbol in request.prompt] for request in batch], device=self.device)
        tokens, logits, _ = self.generator.generate(
            device=self.device,
            input_ids=ids,
            num_tokens=batch[0].max_symbols,
            cached_generation=True,
            force_prompt_threshold=self.prefill,
            print_generation=False,
            stop_at_eos=False,
        )
        return tokens, logits

    def serve(self, size: int) -> None:
        for batch in batches(size):
            tokens, logits = self.decode(batch)
            for request, answer, row in zip(batch, tokens.tolist(), logits):
                reply(request, answer_of(request, answer, row, text_of, {END}))


def load(args: argparse.Namespace) -> Engine:
    try:
        from evo2 import Evo2
    except ImportError as err:
        raise EngineError(f"the package evo2 cannot be used: {err}") from err
    try:
        evo2 = Evo2(args.model, local_path=args.weights, use_kernels=args.kernels)
    except (OSError, ValueError, ImportError, RuntimeError) as err:
        raise EngineError(f"{args.model}: {err}") from err
    say(f"{NAME}: {args.model} on {args.device}")
    return Engine(evo2.model.eval(), evo2.tokenizer, args.device, args.prefill)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog=NAME, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", metavar="MODEL", help="a name that the package knows, as evo2_7b")
    parser.add_argument("--weights", metavar="FILE", help="the model's .pt file (default: from the hub)")
    parser.add_argument("--device", default="cuda:0", help="where prompts go in (default: cuda:0)")
    parser.add_argument("--batch", type=int, default=1, metavar="N", help="prompts to read together (default: 1)")
    parser.add_argument("--prefill", type=int, metavar="N",
                        help="read no more than N tokens of a prompt at once, the rest one by one (default: all)")
    parser.add_argument("--kernels", action="store_true", help="use vortex's Triton kernels")
    args = parser.parse_args()
    if args.batch < 1 or args.prefill is not None and args.prefill < 1:
        parser.error("--batch and --prefill are at least 1")
    return run(NAME, lambda: load(args).serve(args.batch))


if __name__ == "__main__":
    sys.exit(main())
