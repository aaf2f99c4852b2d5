"""Nested against independent trials on the same functions: do they agree, and what does a slope cost with each?

    target/venv-test/bin/python benches/designs.py --model models/smollm2-135m -o out/designs

Draws every --every-th of the paper's 100 functions and lets the model answer (`infer --complete none`)
    nested        --trials sequences of --most examples a function, read after every example (`--eval-shots all`)
    independent   --independent trials a function at each of 1, 2, 4, .., --most shots
in every --template. What is answered stays in the folder; stopped and started again, it goes on. Then it prints, for
each template,

1. accuracy at these shot counts in both designs, and their difference over its error. The difference is taken
   function by function, so that differences between functions, common to both designs, are no part of the error.
2. for the independent design at these shot counts and the nested one at these and at all: tokens for one trial of every
   function and the seconds that so many took; a1 and its bootstrap error, as `fit-loglinear` prints them for one trial
   a function; and the same error from variances, which is less noisy: that of a function's slope is divided into
   the part between functions, which no design can lessen but by more functions, and that within them, of the trials
   drawn, estimated from sequences of one function. An answer at n shots has the same distribution in both designs, so
   that the independent design's variances, and those of trials at all shot counts one by one, are computed from the
   nested sequences. Errors fall with one over the root of the number of functions: `times cheaper` is how many times
   fewer tokens than the independent design a design takes for the same error, of all or of the trials alone.

Runs with scripts/requirements/test.txt.
"""

import argparse
import json
import math
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[1]
SHOTS = (1, 2, 4, 8, 16, 32, 64, 128)
TEMPLATES = {"lines": r"{x}>{y}\n", "paper": "{x}{y}{sep}"}


@dataclass
class Data:
    """The predictions of one template: the files, and arrays by (function, trial, shots)."""

    nested: Path
    independent: Path
    # Seconds per token in each design, as infer measured them. After an interrupted run, only of its last part.
    pace: dict[str, float]
    # Tokens of one independent trial by shot count, and tokens of one nested sequence.
    tokens: dict[int, int]
    sequence: int


def run(*command) -> str:
    return subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE, text=True).stdout


def is_builtin(model: str) -> bool:
    return model.startswith("builtin:")


def answer(args: argparse.Namespace, suite: Path, name: str, *trials) -> Path:
    """Draws, encodes and answers the prompts, unless that has been done before."""
    template = TEMPLATES[name.split("-")[0]]
    prompts, predictions = args.output / f"{name}.prompts.arrow", args.output / f"{name}.parquet"
    if not prompts.exists():
        draw = [args.bin / "gen-tasks", "--suite", suite, "--quiet", *trials, "--to", "arrow"]
        dress = [args.bin / "encode", "--alphabet", "linguistic", "--template", template, "--quiet", "-o", prompts]
        with subprocess.Popen([str(part) for part in draw], stdout=subprocess.PIPE) as drawing:
            # If gen-tasks stops early, its stream has no end mark and encode refuses it.
            subprocess.run([str(part) for part in dress], stdin=drawing.stdout, check=True)
    if not predictions.exists():
        options = () if is_builtin(args.model) else ("--complete", "none", "--threads", args.threads, "--resume")
        run(args.bin / "infer", "--model", args.model, "--slim", *options, "-o", predictions, prompts)
    return predictions


def collect(args: argparse.Namespace, suite: Path, name: str) -> Data:
    shots = ("--shots", ",".join(map(str, args.shots)))
    nested_trials = ("--design", "nested", "--eval-shots", "all")
    nested = answer(args, suite, f"{name}-nested", *shots, *nested_trials, "--trials", args.trials)
    independent = answer(args, suite, f"{name}-independent", *shots, "--trials", args.independent)
    # All sequences of a template have the same length, so any one will do. The last symbol of an answer is never read.
    trial = args.output / "one.jsonl"
    run(args.bin / "gen-tasks", "--task", "identity", *shots, *nested_trials, "--trials", 1, "--quiet", "-o", trial)
    dressed = run(args.bin / "encode", "--alphabet", "linguistic", "--template", TEMPLATES[name], "--quiet", trial)
    one = json.loads(dressed)
    read = [start + one["bits"] - 1 for start in one["answer_starts"]]
    own = {"nested": nested, "independent": independent}
    pace = {design: math.nan if is_builtin(args.model) else pace_of(path) for design, path in own.items()}
    return Data(nested, independent, pace, dict(zip(one["eval_shots"], read)), read[-1])


def pace_of(predictions: Path) -> float:
    measured = json.loads(predictions.with_name(f"{predictions.name}.provenance.json").read_text())[-1]["measured"]
    return measured["seconds"] / measured["tokens"]


def correct(path: Path) -> np.ndarray:
    """Correct answers by function, trial and shot count, each axis sorted by name or number."""
    table = pd.read_parquet(path, columns=["function", "trial", "shots", "correct"])
    table = table.sort_values(["function", "trial", "shots"])
    sizes = [table[name].nunique() for name in ("function", "trial", "shots")]
    return table["correct"].to_numpy(float).reshape(sizes)


def fitted(args: argparse.Namespace, path: Path, shots: tuple[int, ...]) -> tuple[float, float]:
    """a1 and its bootstrap error, from the first trial of every function at these shot counts."""
    table = pq.read_table(path)
    wanted = pa.array(shots, table["shots"].type)
    kept = pc.and_(pc.equal(table["trial"], 0), pc.is_in(table["shots"], wanted))
    pq.write_table(table.filter(kept), args.output / "kept.parquet")
    fit = json.loads(run(args.bin / "fit-loglinear", "--quiet", "--to", "jsonl", args.output / "kept.parquet"))
    return fit["a1"], fit["a1_se"]


def slopes(shots: tuple[int, ...]) -> np.ndarray:
    """The weights that turn accuracies at these shot counts into the least-squares slope against ln(shots)."""
    x = np.log(shots)
    return (x - x.mean()) / ((x - x.mean()) ** 2).sum()


def agreement(data: Data, args: argparse.Namespace) -> None:
    shots = args.shots
    nested = correct(data.nested)[:, :, [n - 1 for n in shots]].mean(1)
    independent = correct(data.independent).mean(1)
    functions = len(nested)
    print(f"{'shots':>6} {'nested':>8} {'independent':>12} {'difference':>11} {'error':>7} {'z':>6}")
    scores = []
    for i, n in enumerate(shots):
        apart = nested[:, i] - independent[:, i]
        error = apart.std(ddof=1) / math.sqrt(functions)
        scores.append(apart.mean() / error if error else 0.0)
        print(f"{n:6} {nested[:, i].mean():8.3f} {independent[:, i].mean():12.3f} {apart.mean():11.3f} "
              f"{error:7.3f} {scores[-1]:6.2f}")  # fmt: skip
    beyond = sum(abs(z) > 1.96 for z in scores)
    print(f"{beyond} of {len(shots)} differences beyond 1.96 errors; by chance {0.05 * len(shots):.1f} are\n")


@dataclass
class Cost:
    """The cost and the slope variances of one design at some shot counts, with one trial per function."""

    name: str
    tokens: int
    pace: float
    # a1 and its bootstrap error, or None if the design was not run.
    fit: tuple[float, float] | None
    within: float
    between: float

    def line(self, base: "Cost", functions: int) -> str:
        a1, error = ("-", "-") if self.fit is None else (f"{self.fit[0]:.4f}", f"{self.fit[1]:.4f}")
        part = lambda variance: math.sqrt(variance / functions)
        whole = self.within + self.between
        # The variance is zero if the model is always right or always wrong.
        ratio = lambda theirs, own: base.tokens * theirs / (self.tokens * own) if own else math.nan
        cheaper, alone = ratio(base.within + base.between, whole), ratio(base.within, self.within)
        return (
            f"{self.name:24} {self.tokens:10,} {self.tokens * self.pace:8.0f} {a1:>8} {error:>7} {part(whole):9.4f} "
            f"{part(self.within):7.4f} {part(self.between):8.4f} {cheaper:14.2f} {alone:12.2f}"
        )


def costs(data: Data, args: argparse.Namespace) -> None:
    right = correct(data.nested)
    functions, trials = right.shape[:2]
    # The variance of single answers between the sequences of a function.
    single = right.var(1, ddof=1).mean(0)
    every = tuple(range(1, args.shots[-1] + 1))
    rows = []
    for name, shots in (("independent", args.shots), ("nested", args.shots), ("nested", every), ("independent", every)):
        nested, weights, at = name == "nested", slopes(shots), [n - 1 for n in shots]
        slope = right[:, :, at] @ weights
        between_sequences = slope.var(1, ddof=1).mean()
        # The mean over sequences has a share of the variance within; it is not a difference between functions.
        between = max(slope.mean(1).var(ddof=1) - between_sequences / trials, 0.0)
        run_here = nested or shots == args.shots
        rows.append(Cost(
            f"{name}, {len(shots)} counts",
            functions * (data.sequence if nested else sum(data.tokens[n] for n in shots)),
            data.pace[name],
            fitted(args, data.nested if nested else data.independent, shots) if run_here else None,
            between_sequences if nested else (weights**2 * single[at]).sum(),
            between,
        ))  # fmt: skip
    print(f"{'one trial a function':24} {'tokens':>10} {'seconds':>8} {'a1':>8} {'a1_se':>7} {'variances':>9} "
          f"{'within':>7} {'between':>8} {'times cheaper':>14} {'trials alone':>12}")  # fmt: skip
    for row in rows:
        print(row.line(rows[0], functions))
    print()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=Path, default=ROOT / "target" / "release", help="folder of the filters")
    parser.add_argument("--model", default=str(ROOT / "models" / "smollm2-135m"), help="a folder, or builtin:nearest")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "out" / "designs",
                        help="where answers are kept: one folder for one choice of functions and trials")  # fmt: skip
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take every N-th function (default: all 100)")
    parser.add_argument("--trials", type=int, default=2, help="nested sequences a function, 2 or more")
    parser.add_argument("--independent", type=int, default=1, help="independent trials a function and shot count")
    parser.add_argument("--most", type=int, default=SHOTS[-1], choices=SHOTS[1:], help="the largest shot count")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--template", action="append", choices=TEMPLATES, help="repeatable; default: both")
    args = parser.parse_args()
    if args.trials < 2:
        parser.error("--trials: the variance within functions takes two sequences at least")
    args.shots = tuple(n for n in SHOTS if n <= args.most)
    args.output.mkdir(parents=True, exist_ok=True)
    listed = run(args.bin / "gen-tasks", "--list", "--to", "jsonl").splitlines()
    names = [json.loads(line)["function"] for line in listed][:: args.every]
    suite = args.output / "suite.txt"
    suite.write_text("".join(f"{name}\n" for name in names))
    for name in args.template or TEMPLATES:
        data = collect(args, suite, name)
        print(f"template {TEMPLATES[name]}: {len(names)} functions, {args.trials} sequences of each\n")
        agreement(data, args)
        costs(data, args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
