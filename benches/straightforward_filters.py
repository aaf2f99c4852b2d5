"""The contract of `gen-tasks | encode` in straightforward Python: two filters joined by JSON lines.

    python3 benches/straightforward_filters.py draw --trials 8 | python3 benches/straightforward_filters.py encode
    python3 benches/straightforward_filters.py both --trials 8      # in memory, nothing written

As benches/straightforward.py, from which it takes the functions and the grid, but inputs, query, constant and symbols are
pure functions of (seed, bits, function, shots, trial), as our records promise: each stream is a random.Random seeded by
the trial's key and its own name, which is how the standard library does it. So a trial is the same in any order, shard
or condition, and `encode` can dress it in any alphabet. benches/whole.py holds `gen-tasks | encode` against it.
"""

import argparse
import json
import random
import sys
from collections.abc import Iterator

from straightforward import BITS, SHOTS, SYMBOLS, Program, all_strings, programs


def stream(trial: dict, purpose: str) -> random.Random:
    key = f"{trial['seed']}/{trial['bits']}/{trial['function']}/{trial['shots']}/{trial['trial']}"
    return random.Random(f"{key}/{purpose}")


def draw(program: Program, shots: int, trial: int, seed: int, strings: list[str]) -> dict:
    record = {
        "trial_id": f"{program.name}/b{BITS}/clean/n{shots}/t{trial}/s{seed}",
        "function": program.name,
        "bits": BITS,
        "condition": "clean",
        "shots": shots,
        "trial": trial,
        "seed": seed,
        "design": "independent",
    }
    inputs = stream(record, "inputs").sample(strings, shots + 1)
    constant = stream(record, "constant").choice(strings) if program.uses_constant else None
    outputs = [program(x, constant) for x in inputs]
    record["constant"] = constant
    record["query"], record["target"] = inputs.pop(), outputs.pop()
    record["inputs"], record["outputs"] = inputs, outputs
    record["unchanged"] = record["eval_shots"] = None
    return record


def trials(count: int, seed: int) -> Iterator[dict]:
    strings = all_strings(BITS)
    for program in programs():
        for trial in range(count):
            for shots in SHOTS:
                yield draw(program, shots, trial, seed, strings)


def encode(trial: dict) -> dict:
    zero, one, separator = stream(trial, "symbols").sample(SYMBOLS, 3)
    dress = str.maketrans("01", zero + one)
    examples = [x + y for x, y in zip(trial["inputs"], trial["outputs"])]
    return {
        **trial,
        "encoding": "genomic",
        "template": "{x}{y}{sep}",
        "prefix": "",
        "zero": zero,
        "one": one,
        "separator": separator,
        "prompt": separator.join([*examples, trial["query"]]).translate(dress),
        "answer": trial["target"].translate(dress),
        "answer_starts": None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("draw", "encode", "both"))
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.step == "draw":
        for trial in trials(args.trials, args.seed):
            print(json.dumps(trial))
    elif args.step == "encode":
        for line in sys.stdin:
            print(json.dumps(encode(json.loads(line))))
    else:
        for trial in trials(args.trials, args.seed):
            encode(trial)


if __name__ == "__main__":
    main()
