"""Compare converted models with transformers, and record transformers' logits as fixtures.

    python3 tests/oracle/make_model_fixtures.py smollm2 SOURCE.gguf MODEL_DIR
    python3 tests/oracle/make_model_fixtures.py gemma3-270m SOURCE.gguf MODEL_DIR

scripts/convert made MODEL_DIR from SOURCE.gguf. transformers reads the same file, dequantises it, and runs it over
2000 tokens in float32 and in float64. The converted model reads the tokens in one pass, and in chunks through the KV
cache. At every position, the arg-max over the full vocabulary must be transformers' arg-max, and every logit must be
within TOLERANCE of transformers' float32 logit. The distances from float64 are recorded, too. The tokenizer must agree
with sentencepiece or tiktoken. Writes tests/fixtures/models/NAME.json: token ids, positions, transformers' float32
logits at these positions, and all measurements. Runs in the environment of tests/oracle/requirements.txt, with about
8 GB of memory.
"""

import argparse
import hashlib
import json
import random
import sys
from importlib.metadata import version
from pathlib import Path

import gguf
import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer

from token_oracles import sentencepiece_of, strings, tiktoken_of, zen

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from onnx_model import Model  # noqa: E402

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "models"
ORACLES = {"smollm2": tiktoken_of, "gemma3-270m": sentencepiece_of}
TOKENS = 2000
KEPT = 250
SEED = 20251116
# Every logit must be closer than this to transformers' float32 logit.
TOLERANCE = 5e-3
# Tokens per chunk through the KV cache. Also the number of positions whose logits are in memory at once (257 x 262,144
# float32: 0.3 GB).
CHUNK = 257
WAYS = ("one_pass", "in_chunks")
FUZZ = 700


def token_ids(tokenizer: Tokenizer) -> list[int]:
    """Token ids of an English text and then of a long few-shot prompt."""
    rng = random.Random(SEED)
    ids = tokenizer.encode(zen()).ids
    shots = []
    for _ in range(TOKENS):
        x = "".join(rng.choices("38", k=8))
        shots.append(f"{x}>{x[::-1]}\n")
    ids += tokenizer.encode("".join(shots), add_special_tokens=False).ids
    return ids[:TOKENS]


def hidden_states(model, ids: np.ndarray) -> torch.Tensor:
    """The hidden states before the head, at every position."""
    with torch.no_grad():
        return model.model(torch.from_numpy(ids)[None]).last_hidden_state[0]


def to_float64(model) -> None:
    """Turns the model into float64, including the constants that transformers computes in float32."""
    inner = model.double().model
    tables = [(inner.rotary_emb, model.config.rope_theta)]
    if hasattr(inner, "rotary_emb_local"):
        tables.append((inner.rotary_emb_local, model.config.rope_local_base_freq))
        inner.embed_tokens.embed_scale = torch.tensor(model.config.hidden_size**0.5, dtype=torch.float64)
    for table, base in tables:
        size = model.config.head_dim
        rates = torch.tensor(float(base) ** (-np.arange(0, size, 2, dtype=np.float64) / size))

        def forward(x, positions, rates=rates):
            angles = (positions[..., None].double() * rates).repeat(1, 1, 2)
            return angles.cos(), angles.sin()

        table.forward = forward


def agreement(model, converted: Model, ids: np.ndarray) -> tuple[np.ndarray, dict]:
    """transformers' float32 logits at every position, and how far these logits, ours and the float64 logits differ."""
    states, head = hidden_states(model, ids), model.lm_head.weight.detach().clone()
    to_float64(model)
    exact_states, exact_head = hidden_states(model, ids), model.lm_head.weight.detach()
    reference, past, rows = [], None, []
    for start in range(0, len(ids), CHUNK):
        where = np.arange(start, min(start + CHUNK, len(ids)))
        chunked, past = converted(ids[where], where - start, past=past, read=start)
        theirs = (states[where] @ head.T).numpy()
        exact = (exact_states[where] @ exact_head.T).numpy()
        ours = {"one_pass": converted(ids, where)[0]["chosen"][0], "in_chunks": chunked["chosen"][0]}
        row = {"transformers_to_float64": abs(theirs - exact).max(-1)}
        row["transformers_argmax_as_float64"] = theirs.argmax(-1) == exact.argmax(-1)
        for way, logits in ours.items():
            row[f"{way}_argmax"] = logits.argmax(-1) == theirs.argmax(-1)
            row[f"{way}_to_transformers"] = abs(logits - theirs).max(-1)
            row[f"{way}_to_float64"] = abs(logits - exact).max(-1)
        rows.append(row)
        reference.append(theirs)
    at = {key: np.concatenate([row[key] for row in rows]) for key in rows[0]}
    measured = {
        "tokens": len(ids),
        "transformers_argmax_agreement_with_float64": float(at["transformers_argmax_as_float64"].mean()),
        "transformers_largest_difference_from_float64": float(at["transformers_to_float64"].max()),
    }
    for way in WAYS:
        measured[way] = {
            "argmax_agreement": float(at[f"{way}_argmax"].mean()),
            "largest_difference": float(at[f"{way}_to_transformers"].max()),
            "median_difference": float(np.median(at[f"{way}_to_transformers"])),
            "positions_over_5e-3": int((at[f"{way}_to_transformers"] >= TOLERANCE).sum()),
            "largest_difference_from_float64": float(at[f"{way}_to_float64"].max()),
        }
    return np.concatenate(reference), measured


def tokenization(name: str, source: Path, tokenizer: Tokenizer) -> dict:
    """Counts the strings that our tokenizer.json splits as the oracle does, and as transformers' reading does."""
    oracle = ORACLES[name](gguf.GGUFReader(source))
    theirs = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    counts = {"strings": 0, "as_oracle": 0, "as_transformers_reads_gguf": 0, "decoded_back": 0}
    for text in strings(SEED, FUZZ):
        ours, expected = tokenizer.encode(text, add_special_tokens=False).ids, oracle(text)
        if None in expected:
            continue
        counts["strings"] += 1
        counts["as_oracle"] += ours == expected
        counts["as_transformers_reads_gguf"] += ours == theirs.encode(text, add_special_tokens=False)
        counts["decoded_back"] += tokenizer.decode(ours, skip_special_tokens=False) == text
        if ours != expected:
            print(f"{text!r}\n  tokenizer.json {ours}\n  oracle         {expected}", file=sys.stderr)
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=ORACLES)
    parser.add_argument("source", type=Path)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    tokenizer = Tokenizer.from_file(str(args.folder / "tokenizer.json"))
    counts = tokenization(args.name, args.source, tokenizer)
    print(counts)
    ids = np.array(token_ids(tokenizer), np.int64)
    model = AutoModelForCausalLM.from_pretrained(
        args.source.parent, gguf_file=args.source.name, dtype=torch.float32
    ).eval()
    logits, measured = agreement(model, Model(args.folder), ids)
    print(measured)
    failed = counts["as_oracle"] != counts["strings"] or any(
        measured[way]["argmax_agreement"] != 1
        or measured[way]["largest_difference"] >= TOLERANCE
        for way in WAYS
    )
    if failed:
        print("the converted model is not the model", file=sys.stderr)
        return 1
    rng = random.Random(SEED)
    digits = [tokenizer.token_to_id(d) for d in "038"]
    rows = sorted({*digits, *rng.sample(range(tokenizer.get_vocab_size()), 12 - len(digits))})
    packages = ("torch", "transformers", "tokenizers", "sentencepiece", "tiktoken", "gguf", "numpy", "onnx", "onnxruntime")
    kept = [
        {"position": int(p), "argmax": int(logits[p].argmax()), "max": round(float(logits[p].max()), 4),
         "logits": [round(float(v), 4) for v in logits[p, rows]]}
        for p in np.linspace(0, len(ids) - 1, KEPT).astype(int)
    ]
    header = {
        "model": args.name,
        "source": {"file": args.source.name, "sha256": hashlib.sha256(args.source.read_bytes()).hexdigest()},
        "made_with": {package: version(package) for package in packages},
        "measured": measured,
        "tokenizer": counts,
        "vocab_ids": rows,
        "ids": ids.tolist(),
    }
    # One position per line, for readers and diffs.
    lines = [f' "{key}": {json.dumps(value)},' for key, value in header.items()]
    lines.append(' "positions": [\n  ' + ",\n  ".join(json.dumps(row) for row in kept) + "\n ]")
    (FIXTURES / f"{args.name}.json").write_text("{\n" + "\n".join(lines) + "\n}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
