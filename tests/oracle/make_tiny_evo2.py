"""Make the tiny Evo 2 model of the tests, and record vortex's answers with the same weights.

    python3 tests/oracle/make_tiny_evo2.py

Writes tests/fixtures/models/tiny-evo2 (by scripts/convert, from a checkpoint written here) and tiny-evo2.json. Runs in
the environment of tests/oracle/requirements.txt, with the filters built; the result is committed. The weights are
random, from a seed. The embeddings of bases are larger than those of other bytes, so that the model answers with bases.
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
from make_family_fixtures import places, program

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "tests" / "fixtures" / "models"
SEED = 20251118
BASES = "ACGTN"
POSITIONS = 640
CONFIG = evo2_checkpoint.Config(
    kinds=("short", "medium", "long", "attention"),
    width=16,
    heads=1,
    hidden=32,
    groups=2,
    taps=7,
    long_taps=128,
    modes=8,
)
NEW_TOKENS = 8
DRAWS = (
    "--task rotl1 --task flip_bits --shots 1,4,16,32 --trials 1 --seed 5",
    "--task rotl1 --task flip_bits --shots 1,2,4,8,16 --trials 1 --seed 5 --design nested",
)


def texts() -> list[str]:
    """Few-shot prompts of 8 bases and their reversal, with lengths on both sides of every filter and chunk length."""
    rng = np.random.default_rng(SEED)
    word = lambda: "".join(rng.choice(list("ACGT"), 8))
    pairs = lambda shots: "".join(x + x[::-1] for x in (word() for _ in range(shots)))
    whole = [pairs(shots) + word() for shots in (0, 1, 2, 4, 8, 16, 39)]
    return whole + [pairs(64)[:length] for length in (1, 2, 3, 5, 7, 63, 64, 65, 127, 128, 129, 513)]


def records() -> list[dict]:
    """Prompts as `infer` reads them, in the paper's genomic encoding."""
    lines = (program("encode", "--alphabet", "genomic", text=program("gen-tasks", *draw.split())) for draw in DRAWS)
    return [json.loads(line) for text in lines for line in text.splitlines()]


def weights() -> dict[str, np.ndarray]:
    table = evo2_checkpoint.tensors(CONFIG, SEED)
    others = np.setdiff1d(np.arange(evo2_checkpoint.VOCABULARY), [ord(base) for base in BASES])
    table["embedding_layer.weight"][others] *= np.float32(0.05)
    return table


def continued(model, text: str, symbols: int) -> dict:
    """vortex's greedy continuation of a text. Each step is a whole forward pass."""
    ids, logprobs, margins = [ord(base) for base in text], [], []
    for _ in range(symbols):
        last = evo2_oracle.logits(model, [ids])[0, -1].astype(np.float64)
        second, best = np.partition(last, -2)[-2:]
        logprobs.append(round(float(-np.log(np.exp(last - best).sum())), 6))
        margins.append(round(float(best - second), 6))
        ids.append(int(last.argmax()))
    tokens = ids[len(text) :]
    return {"tokens": tokens, "text": "".join(map(chr, tokens)), "logprobs": logprobs, "margins": margins}


def answers(model, questions: list[dict]) -> list[dict]:
    """The predictions that `infer` must make for the records."""
    table = []
    for question in questions:
        for shots, text in places(question):
            found = continued(model, text, question["bits"])
            row = {key: question[key] for key in ("function", "design")} | {"shots": shots, "output": found["text"]}
            table.append(row | {"margin": min(found["margins"])})
    return table


def main() -> None:
    table = weights()
    folder = MODELS / "tiny-evo2"
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as temp:
        source = evo2_checkpoint.write(Path(temp) / "tiny.pt", table)
        options = ("--rope-scaling", "1", "--max-positions", str(POSITIONS))
        subprocess.run([sys.executable, ROOT / "scripts" / "convert", source, "-o", folder, *options], check=True)
    model = evo2_oracle.build(CONFIG, table)
    rows = [{"prompt": text} | continued(model, text, NEW_TOKENS) for text in texts()]
    questions = records()
    expected = answers(model, questions)
    if min(*(min(row["margins"]) for row in rows), *(row["margin"] for row in expected)) < 1e-3:
        sys.exit("two tokens are too close to each other to tell an error by: take another seed")
    made_with = {package: version(package) for package in ("torch", "vtx", "numpy")}
    lines = [f' "made_with": {json.dumps(made_with)},', f' "seed": {SEED},']
    # One row per line, for readers and diffs.
    lists = {"prompts": rows, "records": questions, "answers": expected}
    lines += [f' "{name}": [\n  ' + ",\n  ".join(map(json.dumps, values)) + "\n ]," for name, values in lists.items()]
    (MODELS / "tiny-evo2.json").write_text("{\n" + "\n".join(lines).removesuffix(",") + "\n}\n")


if __name__ == "__main__":
    main()
