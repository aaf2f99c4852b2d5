"""Scores a campaign with vectorised pandas and numpy: the reference for the time of `score --replicates 5000`.

    python3 benches/score_pandas.py predictions.parquet > scores.csv

It computes the same cells, exact matches, two-stage cluster bootstrap (functions, then trials as one binomial draw),
task-cluster error, and counts of malformed, 0-BD and correct answers and of edits. The mode baseline and the kinds of
mistakes need demonstrations. They are left out, as `score` does if there are none. Runs in the environment of
scripts/requirements/test.txt.
"""

import sys

import numpy as np
import pandas as pd

CELL = [
    "model", "modality", "encoding", "template", "bits", "condition", "design", "method", "constrained", "bos", "shots",
]  # fmt: skip
READ = [*CELL, "function", "target", "prediction", "correct", "answer_logprob"]
REPLICATES = 5000


def edit_distance(a: str, b: str) -> int:
    row = list(range(len(b) + 1))
    for i, p in enumerate(a, 1):
        above, row[0] = row[0], i
        for j, q in enumerate(b, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (p != q))
    return row[-1]


def bootstrap(right: np.ndarray, trials: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The means of a cell's bootstrap replicates, from the right answers and trials of each function."""
    drawn = rng.integers(len(right), size=(REPLICATES, len(right)))
    return (rng.binomial(trials[drawn], right[drawn] / trials[drawn]) / trials[drawn]).mean(axis=1)


def main() -> None:
    frame = pd.concat(pd.read_parquet(path, columns=READ) for path in sys.argv[1:])
    zero_bd = {"0" * 8, "1" * 8}
    frame["malformed"] = frame["prediction"].str.len() != frame["bits"]
    frame["zero_bd_target"] = frame["target"].isin(zero_bd)
    frame["zero_bd_prediction"] = frame["prediction"].isin(zero_bd)
    frame["correct_zero_bd"] = frame["correct"] & frame["zero_bd_target"]
    # Compare each pair of strings only once: there are far fewer pairs than predictions.
    pairs = frame[["prediction", "target"]].drop_duplicates()
    pairs["edits"] = [edit_distance(a, b) for a, b in zip(pairs["prediction"], pairs["target"])]
    frame = frame.merge(pairs, on=["prediction", "target"])
    sums = ["correct", "malformed", "edits", "zero_bd_target", "zero_bd_prediction", "correct_zero_bd"]
    grouped = frame.groupby([*CELL, "function"], observed=True, sort=False, dropna=False)
    tasks = grouped[sums].sum()
    tasks["trials"] = grouped.size()
    tasks["answer_logprob"] = grouped["answer_logprob"].sum(min_count=1)
    rng = np.random.default_rng(0)
    rows = []
    for key, cell in tasks.groupby(level=CELL, sort=False, dropna=False):
        right, trials = cell["correct"].to_numpy(np.int64), cell["trials"].to_numpy()
        accuracy = right / trials
        replicates = bootstrap(right, trials, rng)
        total = trials.sum()
        rows.append(
            {
                **dict(zip(CELL, key)),
                "tasks": len(cell),
                "trials": total,
                "accuracy": accuracy.mean(),
                "se": replicates.std(),
                "ci_low": np.quantile(replicates, 0.025),
                "ci_high": np.quantile(replicates, 0.975),
                "task_se": accuracy.std(ddof=1) / np.sqrt(len(cell)),
                "malformed": cell["malformed"].sum() / total,
                "edit_distance": cell["edits"].sum() / total,
                "answer_logprob": cell["answer_logprob"].sum(min_count=1) / total,
                "zero_bd_targets": cell["zero_bd_target"].sum(),
                "zero_bd_predictions": cell["zero_bd_prediction"].sum(),
                "correct_zero_bd": cell["correct_zero_bd"].sum(),
                "correct_other": (right - cell["correct_zero_bd"]).sum(),
            }
        )
    pd.DataFrame(rows).to_csv(sys.stdout, index=False)


if __name__ == "__main__":
    main()
