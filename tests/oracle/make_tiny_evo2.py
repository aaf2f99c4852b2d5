"""Make the tiny Evo 2 model of the tests, and what vortex answers with the same weights.

    python3 tests/oracle/make_tiny_evo2.py

Writes tests/fixtures/models/tiny-evo2 (scripts/convert, from a checkpoint written here) and tiny-evo2.json. Runs in the
environment of tests/oracle/requirements.txt; the result is committed. The weights are random from a seed; those of the
bases are larger than the other bytes', so that bases are what it answers.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np

import evo2_checkpoint
import evo2_oracle

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "tests" / "fixtures" / "models"
SEED = 20251118
BASES = "ACGTN"
POSITIONS = 640
CONFIG = evo2_checkpoint.Config(
    kinds=("short", "medium", "long", "attention"), width=16, heads=1, hidden=32, groups=2, taps=7, long_taps=128, modes=8
)
NEW_TOKENS = 8


def prompts() -> list[str]:
    """Few-shot prompts in the paper's genomic format: pairs of 8 bases and their reversal, the last without its answer.

    Some are cut anywhere, so that lengths fall on both sides of every filter's length and of a chunk.
    """
    rng = np.random.default_rng(SEED)
    word = lambda: "".join(rng.choice(list("ACGT"), 8))
    pairs = lambda shots: "".join(x + x[::-1] for x in (word() for _ in range(shots)))
    whole = [pairs(shots) + word() for shots in (0, 1, 2, 4, 8, 16, 39)]
    return whole + [pairs(64)[:length] for length in (1, 2, 3, 5, 7, 63, 64, 65, 127, 128, 129, 513)]


def weights() -> dict[str, np.ndarray]:
    table = evo2_checkpoint.tensors(CONFIG, SEED)
    others = np.setdiff1d(np.arange(evo2_checkpoint.VOCABULARY), [ord(base) for base in BASES])
    table["embedding_layer.weight"][others] *= np.float32(0.05)
    return table


def answers(model) -> list[dict]:
    """What vortex continues each prompt with, greedily, each step a whole forward pass."""
    table = []
    for prompt in prompts():
        ids, logprobs, margins = [ord(base) for base in prompt], [], []
        for _ in range(NEW_TOKENS):
            last = evo2_oracle.logits(model, [ids])[0, -1].astype(np.float64)
            second, best = np.partition(last, -2)[-2:]
            logprobs.append(round(float(-np.log(np.exp(last - best).sum())), 6))
            margins.append(round(float(best - second), 6))
            ids.append(int(last.argmax()))
        tokens = ids[len(prompt) :]
        row = {"prompt": prompt, "tokens": tokens, "text": "".join(map(chr, tokens))}
        table.append(row | {"logprobs": logprobs, "margins": margins})
    return table


def main() -> None:
    table = weights()
    folder = MODELS / "tiny-evo2"
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as temp:
        source = evo2_checkpoint.write(Path(temp) / "tiny.pt", table)
        options = ("--rope-scaling", "1", "--max-positions", str(POSITIONS))
        subprocess.run([sys.executable, ROOT / "scripts" / "convert", source, "-o", folder, *options], check=True)
    rows = answers(evo2_oracle.build(CONFIG, table))
    if min(min(row["margins"]) for row in rows) < 1e-3:
        sys.exit("two tokens are too close to each other to tell an error by: take another seed")
    made_with = {package: version(package) for package in ("torch", "vtx", "numpy")}
    lines = [f' "made_with": {json.dumps(made_with)},', f' "seed": {SEED},']
    lines.append(' "prompts": [\n  ' + ",\n  ".join(json.dumps(row) for row in rows) + "\n ]")
    (MODELS / "tiny-evo2.json").write_text("{\n" + "\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
