"""The paper's experiment drawn and encoded in straightforward Python, as JSON lines on standard output.

    python3 benches/straightforward.py --trials 8

What a researcher would write in an afternoon, without needless slowness: functions on strings as in the paper's
appendix, the standard library's random, str.translate, json.dumps. The records have the columns of `encode`'s.
benches/whole.py holds `gen-tasks | encode` against it.
"""

import argparse
import json
import random
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# The string functions that the tests compare shotline's with.
sys.path.insert(0, str(ROOT / "tests" / "oracle"))

from string_functions import Program, all_strings  # noqa: E402

SHOTS = [1, 2, 4, 8, 16, 32, 64, 128]
BITS = 8
SYMBOLS = "ACGT"


def programs() -> list[Program]:
    rows = (ROOT / "tests" / "fixtures" / "paper" / "table3.tsv").read_text().splitlines()[1:]
    return [Program(row.split("\t")[0]) for row in rows]


def draw(program: Program, shots: int, trial: int, seed: int, strings: list[str], rng: random.Random) -> dict:
    inputs = rng.sample(strings, shots + 1)
    constant = rng.choice(strings)
    outputs = [program(x, constant) for x in inputs]
    query, target = inputs.pop(), outputs.pop()
    zero, one, separator = rng.sample(SYMBOLS, 3)
    dress = str.maketrans("01", zero + one)
    examples = [x + y for x, y in zip(inputs, outputs)]
    return {
        "trial_id": f"{program.name}/b{BITS}/clean/n{shots}/t{trial}/s{seed}",
        "function": program.name,
        "bits": BITS,
        "condition": "clean",
        "shots": shots,
        "trial": trial,
        "seed": seed,
        "design": "independent",
        "constant": constant if program.uses_constant else None,
        "inputs": inputs,
        "outputs": outputs,
        "query": query,
        "target": target,
        "unchanged": None,
        "eval_shots": None,
        "encoding": "genomic",
        "template": "{x}{y}{sep}",
        "prefix": "",
        "zero": zero,
        "one": one,
        "separator": separator,
        "prompt": separator.join([*examples, query]).translate(dress),
        "answer": target.translate(dress),
        "answer_starts": None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    strings = all_strings(BITS)
    for program in programs():
        for trial in range(args.trials):
            for shots in SHOTS:
                print(json.dumps(draw(program, shots, trial, args.seed, strings, rng)))


if __name__ == "__main__":
    main()
