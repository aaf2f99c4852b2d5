#!/usr/bin/env python3
"""Record what transformers says with a model's own weights, for `scripts/convert --record` and `infer --verify`.

    python3 scripts/record-logits.py SOURCE -o FILE.json [--text TEXT] [--top N]

SOURCE is what scripts/convert is given: a Hugging Face folder, or a GGUF file. The prompt is TEXT, or a few-shot prompt
of this field; a Hugging Face folder's tokenizer puts before it what it puts before every text, of a GGUF file the
folder that scripts/convert made has to be named (--tokenizer MODEL_DIR). Recorded are, at 16 positions spread over the
prompt, the N largest logits (default 20) in float32; the format is described in scripts/convert/card.py.

Runs in the environment of tests/oracle/requirements.txt (torch, transformers; gguf for GGUF files) and holds the whole
model in float32: 4 bytes a parameter. Exit codes: 0 done, 2 usage; whatever transformers raises ends it with 1.
"""

import argparse
import json
from importlib.metadata import version
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer

POSITIONS = 16
# A prompt of the task rotl1 on 8 bits with 12 shots.
PROMPT = "".join(
    f"{x:08b}>{(x << 1 | x >> 7) & 255:08b}\n" for x in (44, 201, 7, 90, 133, 250, 18, 99, 176, 61, 222, 5)
).translate(str.maketrans("01", "47"))


def load(source: Path) -> torch.nn.Module:
    """Loads the model in float32."""
    place = {"gguf_file": source.name} if source.is_file() else {}
    folder = source.parent if source.is_file() else source
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **place).eval()


def tokens(source: Path, tokenizer: Path | None, text: str) -> list[int]:
    if tokenizer is not None:
        return Tokenizer.from_file(str(tokenizer / "tokenizer.json")).encode(text).ids
    return AutoTokenizer.from_pretrained(source).encode(text)


def recorded(logits: torch.Tensor, ids: list[int], top: int) -> dict:
    """The part of the logits after each token of a text that is written to the file."""
    last = len(ids) - 1
    positions = sorted({round(i * last / (POSITIONS - 1)) for i in range(POSITIONS)})
    best = logits[positions].topk(min(top, logits.shape[1]))
    return {
        "reference": f"transformers {version('transformers')} float32",
        "input_ids": ids,
        "positions": positions,
        "ids": best.indices.tolist(),
        "logits": [[float(f"{value:.8g}") for value in row] for row in best.values.tolist()],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, metavar="SOURCE")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.json")
    parser.add_argument("--text", default=PROMPT)
    parser.add_argument("--top", type=int, default=20, metavar="N")
    parser.add_argument("--tokenizer", type=Path, metavar="MODEL_DIR")
    args = parser.parse_args()
    if args.source.is_file() and args.tokenizer is None:
        parser.error("of a GGUF file: --tokenizer MODEL_DIR is needed")
    if args.top < 1:
        parser.error(f"--top {args.top}: expected at least 1")
    ids = tokens(args.source, args.tokenizer, args.text)
    with torch.no_grad():
        logits = load(args.source)(torch.tensor([ids])).logits[0]
    args.output.write_text(json.dumps(recorded(logits, ids, args.top)) + "\n")


if __name__ == "__main__":
    main()
