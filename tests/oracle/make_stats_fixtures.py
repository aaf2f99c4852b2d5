"""Record what numpy, scipy and statsmodels compute for the statistics of shotline, as fixtures.

    python3 tests/oracle/make_stats_fixtures.py                        # from the stored predictions
    python3 tests/oracle/make_stats_fixtures.py --bin target/release   # draws new predictions first

Writes these files in tests/fixtures/stats:

    numbers.json        lines, tails, quantiles, deviations
    functions.json      the paper's functions as in string_functions.py
    scores.json         the scores of predictions.jsonl
    tests.json          rank correlations, exact and paired tests, cluster-robust errors, multiple testing
    contrast.jsonl      random answers in both conditions; contrast.json has the comparisons
    partial.jsonl       random answers to different functions at every shot count; partial.json has the scores
    errors.json         kinds of wrong answers, components of variance
    predictions.jsonl   only with --bin: predictions by gen-tasks | encode | infer

Runs in the environment of tests/oracle/stats-requirements.txt.

If two libraries can compute a number, both do, and the fixture is written only if they agree to RELATIVE. mpmath, with
40 digits, decides on the tails. Bootstraps are repeated here with another generator and REPLICATES replicates, so that
the error of a comparison is that of the program's own 5000 replicates.
"""

import argparse
import hashlib
import json
import math
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from csv import DictReader
from fractions import Fraction
from importlib.metadata import version
from itertools import combinations
from pathlib import Path

import mpmath
import numpy as np
import scipy.stats
import statsmodels.api
from statsmodels.stats.multitest import multipletests

from string_functions import Program, all_strings

ROOT = Path(__file__).resolve().parents[2]
PAPER = ROOT / "tests" / "fixtures" / "paper"
OUT = ROOT / "tests" / "fixtures" / "stats"
PREDICTIONS = OUT / "predictions.jsonl"
SEED = 20251116
RELATIVE = 1e-11
REPLICATES = 100_000
WIDTHS = (8, 5)
CELL = (
    "model", "modality", "encoding", "template", "bits", "condition", "design", "method", "constrained", "bos", "shots",
)  # fmt: skip
CURVE = CELL[:-1]

CORRECTIONS = {"holm": "holm", "bh": "fdr_bh"}

mpmath.mp.dps = 40


def same(a: float, b: float, what: str) -> float:
    """Returns the first of two numbers. Ends the script if they do not agree."""
    if not math.isclose(a, b, rel_tol=RELATIVE, abs_tol=1e-300):
        raise SystemExit(f"{what}: {a!r} and {b!r}")
    return float(a)


def line(x: list[float], y: list[float]) -> dict:
    """Ordinary least squares by statsmodels; scipy must agree."""
    fit = statsmodels.api.OLS(y, statsmodels.api.add_constant(x)).fit()
    other = scipy.stats.linregress(x, y, alternative="greater")
    t = fit.params[1] / fit.bse[1]
    return {
        "a0": same(fit.params[0], other.intercept, "a0"),
        "a0_se": same(fit.bse[0], other.intercept_stderr, "a0_se"),
        "a1": same(fit.params[1], other.slope, "a1"),
        "a1_se": same(fit.bse[1], other.stderr, "a1_se"),
        "t": same(t, fit.tvalues[1], "t"),
        "df": int(fit.df_resid),
        # linregress computes t from the correlation, and loses digits if the correlation is near 1.
        "p": float(scipy.stats.t.sf(t, fit.df_resid)),
        "r2": float(fit.rsquared),
    }


def is_zero(squares: mpmath.mpf, values: list[float], n: int) -> bool:
    """Whether rounding alone could leave this sum of squares: at most (64 eps max|value|)^2 n."""
    return squares <= (64 * mpmath.mpf(2) ** -52 * max(map(abs, values))) ** 2 * n


def exact_line(x: list[float], y: list[float]) -> dict:
    """Least squares of exactly these floats, in 40 digits.

    `kind` is "flat" if slope and residuals are zero but for rounding, "perfect" if only the residuals are, else
    "varying".
    """
    n, x, y = len(x), list(map(mpmath.mpf, x)), list(map(mpmath.mpf, y))
    mean_x, mean_y = mpmath.fsum(x) / n, mpmath.fsum(y) / n
    sxx = mpmath.fsum((v - mean_x) ** 2 for v in x)
    a1 = mpmath.fsum((v - mean_x) * (w - mean_y) for v, w in zip(x, y)) / sxx
    left = mpmath.fsum((w - mean_y - a1 * (v - mean_x)) ** 2 for v, w in zip(x, y))
    kind = "varying"
    if is_zero(left, y, n):
        kind = "flat" if is_zero(a1 * a1 * sxx, y, n) else "perfect"
    return {"kind": kind, "a0": float(mean_y - a1 * mean_x), "a1": 0.0 if kind == "flat" else float(a1)}


def zeros(rng: np.random.Generator) -> list[dict]:
    """Flat points, perfect fits, and points near these that rounding alone cannot explain."""
    sets = []
    for level in (0.1, 1 / 3, 0.7, 1e-9, 1.0, 0.0):
        for n in (3, 5, 8):
            shots = [2**i for i in range(n)]
            x = [math.log(s) for s in shots]
            sets += [(shots, [level] * n), (shots, [level * (1 + 0.3 * v) for v in x])]
            # Noise of a thousand times the bound that counts as rounding of 1.
            noise = 64e3 * 2**-52 * rng.choice([-1, 1], n) * rng.uniform(1, 2, n)
            sets.append((shots, [level + float(e) for e in noise]))
    return [{"shots": s, "y": y, **exact_line([math.log(n) for n in s], y)} for s, y in sets]


def student(t: float, df: int) -> float:
    """P(T >= t), in 40 digits."""
    t, df = mpmath.mpf(t), mpmath.mpf(df)
    tail = mpmath.betainc(df / 2, 0.5, 0, df / (df + t * t), regularized=True) / 2
    return float(tail if t >= 0 else 1 - tail)


def numbers() -> dict:
    rng = np.random.default_rng(SEED)
    table4 = defaultdict(list)
    with (PAPER / "table4.csv").open() as file:
        for row in DictReader(file):
            table4[row["model"]].append((int(row["shots"]), float(row["accuracy"])))
    lines = []
    for i in range(20):
        shots = sorted(rng.choice(np.arange(1, 256), size=3 + 2 * i, replace=False).tolist())
        x = [math.log(n) for n in shots]
        slope, noise = rng.normal(0, 0.05), 10 ** rng.uniform(-3, -1)
        y = [float(v) for v in 0.12 + slope * np.array(x) + rng.normal(0, noise, len(x))]
        lines.append({"shots": shots, "y": y, "fit": line(x, y)})
    tails = [*np.linspace(-8, 8, 33).tolist(), 1e-6, 1.6448536269514722, 10.0, 15.5, 20.0, 25.0, 30.0, 35.0, 37.5]
    normal = [{"z": z, "p": same(mpmath.erfc(z / mpmath.sqrt(2)) / 2, scipy.stats.norm.sf(z), f"z {z}")} for z in tails]
    # The libraries differ in the far tails with few degrees of freedom, so mpmath gives the digits.
    students = [
        {"t": t, "df": df, "p": student(t, df)}
        for df in (1, 2, 3, 4, 5, 6, 7, 10, 30, 100)
        for t in (-40.0, -3.3, -1.0, -0.01, 0.0, 0.01, 0.5, 1.0, 2.132, 3.807, 6.03, 12.0, 40.0, 1e3)
    ]
    values = [rng.normal(0.2, 0.1, n).tolist() for n in (1, 2, 3, 10, 101)]
    # Values with ties, as in replicates of few trials, and values with a mean far larger than the spread.
    values += [rng.integers(0, 5, 50).astype(float).tolist(), (1e4 + rng.normal(0, 1e-2, 40)).tolist()]
    spreads = [
        {
            "values": v,
            "quantiles": [{"q": q, "value": float(np.quantile(v, q))} for q in (0, 0.025, 0.1, 0.5, 0.77, 0.975, 1)],
            "sd0": float(np.std(v)),
            "sd1": float(np.std(v, ddof=1)) if len(v) > 1 else None,
        }
        for v in values
    ]
    differences = []
    for _ in range(10):
        a, b, a_se, b_se = (float(v) for v in rng.uniform(0, 1, 4) * [1, 1, 0.05, 0.05])
        z = (a - b) / np.sqrt(a_se**2 + b_se**2)
        differences.append({"a": a, "a_se": a_se, "b": b, "b_se": b_se, "z": float(z)})
    return {
        "table4": {
            model: line([math.log(n) for n, _ in points], [a for _, a in points]) for model, points in table4.items()
        },
        "lines": lines,
        "zeros": zeros(rng),
        "normal": normal,
        "student": students,
        "spreads": spreads,
        "differences": differences,
    }


def programs() -> list[Program]:
    rows = (PAPER / "table3.tsv").read_text().splitlines()[1:]
    return [Program(row.split("\t")[0]) for row in rows]


def minority_bits(s: str) -> int:
    return min(s.count("0"), s.count("1"))


def functions() -> list[dict]:
    rows = []
    for width in WIDTHS:
        inputs = all_strings(width)
        one = "0" * (width - 1) + "1"
        for program in programs():
            constants = inputs if program.uses_constant else [one]
            tables = {c: dict(zip(inputs, (program(x, c) for x in inputs))) for c in constants}
            load = sum(
                any(
                    table[x] != table[x[:i] + ("1" if x[i] == "0" else "0") + x[i + 1 :]]
                    for table in tables.values()
                    for x in inputs
                )
                for i in range(width)
            )
            outputs = [y for table in tables.values() for y in table.values()]
            alternating = ("10" * width)[:width]
            digest = hashlib.sha256()
            for constant in (one, alternating):
                digest.update("\n".join(program(x, constant) for x in inputs).encode() + b"\n")
            published = b"".join(int(program(x, one), 2).to_bytes(2, "little") for x in inputs)
            rows.append(
                {
                    "function": program.name,
                    "bits": width,
                    "bitload": load,
                    "bitdiversity": sum(map(minority_bits, outputs)) / len(outputs),
                    "zero_bd": sum(minority_bits(y) == 0 for y in outputs) / len(outputs),
                    "table_hash": hashlib.sha256(published).hexdigest()[:16],
                    "text_sha256": digest.hexdigest(),
                }
            )
    return rows


# Functions of every BitLoad. Some often give all zeros or all ones, and one has a constant.
SUITE = """identity rotl1 flip_bits majority parity_fill left_half ones_if_palindrome mirror_half spread_first_bit
spread_last_bit xor_with_s0 meta_constant""".split()
DRAWS = [
    ("--shots 1,4 --trials 3 --seed 1", "--alphabet genomic", "--model builtin:nearest"),
    ("--shots 2 --trials 2 --seed 2 --condition deranged", "--alphabet genomic", "--model builtin:mode"),
    ("--shots 0,1,2,8 --trials 2 --seed 3 --design nested", "--alphabet linguistic", "--model builtin:bayes"),
    ("--shots 2 --trials 2 --seed 4", "--alphabet linguistic", "--model {tiny} --constrain --slim"),
    ("--shots 2 --trials 2 --seed 4", "--alphabet linguistic", "--model {tiny} --slim"),
]


def draw_predictions(binaries: Path) -> None:
    """Draws answers of every kind: with and without demonstrations, deranged, nested, malformed, with logprobs."""
    tiny = ROOT / "tests" / "fixtures" / "models" / "tiny-hf"
    with tempfile.TemporaryDirectory() as folder:
        suite = Path(folder) / "suite.txt"
        suite.write_text("\n".join(SUITE) + "\n")
        text = b""
        for task, dress, answer in DRAWS:
            records = b""
            for program, arguments in (
                ("gen-tasks", [*task.split(), "--suite", suite]),
                ("encode", dress.split()),
                ("infer", [part.format(tiny=tiny) for part in answer.split()]),
            ):
                command = [binaries / program, *arguments, "--quiet"]
                records = subprocess.run(command, input=records, stdout=subprocess.PIPE, check=True).stdout
            text += records
    PREDICTIONS.write_bytes(text)


def edit_distance(a: str, b: str) -> int:
    """Levenshtein distance, row by row of the usual table."""
    row = list(range(len(b) + 1))
    for i, p in enumerate(a, 1):
        above, row[0] = row[0], i
        for j, q in enumerate(b, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (p != q))
    return row[-1]


def mode_accuracy(record: dict) -> float | None:
    """The chance that the most frequent output is the target, with ties broken uniformly."""
    if not record.get("outputs"):
        return None
    counts = Counter(record["outputs"])
    most = [y for y, n in counts.items() if n == max(counts.values())]
    return (record["target"] in most) / len(most)


def is_understandable(record: dict, rivals: list[Program]) -> bool:
    if record["prediction"] == record["target"] or len(record["prediction"]) != record["bits"]:
        return False
    shown = list(zip(record["inputs"], record["outputs"]))
    for rival in rivals:
        constants = all_strings(record["bits"]) if rival.uses_constant else ["0" * record["bits"]]
        for c in constants:
            if rival(record["query"], c) == record["prediction"] and all(rival(x, c) == y for x, y in shown):
                return True
    return False


def mean(values) -> float | None:
    """The mean, or None if a value is missing."""
    values = list(values)
    return None if None in values else float(np.mean(values))


def by_function(records: list[dict]) -> dict[str, list[dict]]:
    """The records of each function, in the order of trials."""
    tasks = defaultdict(list)
    for record in sorted(records, key=lambda r: (r["function"], r["trial"])):
        tasks[record["function"]].append(record)
    return tasks


def counted(records: list[dict], rivals: list[Program]) -> dict:
    """The columns that are computed alike for a cell and for one function in the cell."""
    shown = all("outputs" in r for r in records) and records[0]["condition"] == "clean"
    return {
        "trials": len(records),
        "malformed": mean(len(r["prediction"]) != r["bits"] for r in records),
        "edit_distance": mean(edit_distance(r["prediction"], r["target"]) for r in records),
        "answer_logprob": mean(r["answer_logprob"] for r in records),
        "zero_bd_targets": sum(minority_bits(r["target"]) == 0 for r in records),
        "zero_bd_predictions": sum(
            len(r["prediction"]) == r["bits"] and minority_bits(r["prediction"]) == 0 for r in records
        ),
        "correct_zero_bd": sum(r["prediction"] == r["target"] and minority_bits(r["target"]) == 0 for r in records),
        "correct_other": sum(r["prediction"] == r["target"] and minority_bits(r["target"]) > 0 for r in records),
        "understandable": sum(is_understandable(r, rivals) for r in records) if shown else None,
    }


def accuracy(records: list[dict]) -> float:
    return mean(r["prediction"] == r["target"] for r in records)


def channels(cell: dict[str, list[dict]]) -> np.ndarray:
    """An array [function, trial, channel]. The channels are (correct, mode baseline)."""
    return np.array(
        [[(r["prediction"] == r["target"], mode_accuracy(r) or 0.0) for r in rows] for rows in cell.values()], float
    )


def resample(cells: list[np.ndarray], nested: bool, rng: np.random.Generator) -> np.ndarray:
    """The two-stage cluster bootstrap of the cells of one curve: means [replicate, cell, channel].

    Functions are drawn once for all cells. Then trials are drawn in each cell, or whole sequences if nested.
    """
    functions, units, _ = cells[0].shape
    means = np.empty((REPLICATES, len(cells), 2))
    for b in range(REPLICATES):
        tasks = rng.integers(functions, size=(functions, 1))
        drawn = rng.integers(units, size=(functions, units))
        for i, cell in enumerate(cells):
            if i > 0 and not nested:
                drawn = rng.integers(units, size=(functions, units))
            means[b, i] = cell[tasks, drawn].mean(axis=(0, 1))
    return means


def interval(values: np.ndarray) -> list[float]:
    return [float(q) for q in np.quantile(values, [0.025, 0.975])]


def not_positive(values: np.ndarray) -> float:
    # A difference that is 0 in exact arithmetic can be off in the last bit.
    return float(np.mean(values < 1e-12))


def scores() -> dict:
    records = [json.loads(text) for text in PREDICTIONS.read_text().splitlines()]
    rivals = programs()
    rng = np.random.default_rng(SEED)
    curves = defaultdict(lambda: defaultdict(list))
    for record in records:
        curves[tuple(record[c] for c in CURVE)][record["shots"]].append(record)
    cell_rows, task_rows, fits = [], [], []
    for key, by_shots in curves.items():
        curve = dict(zip(CURVE, key))
        nested = curve["design"] == "nested"
        cells = {shots: by_function(rows) for shots, rows in sorted(by_shots.items())}
        replicates = resample([channels(cell) for cell in cells.values()], nested, rng)
        means = {}
        for i, (shots, cell) in enumerate(cells.items()):
            accuracies = [accuracy(rows) for rows in cell.values()]
            modes = [mean(map(mode_accuracy, rows)) for rows in cell.values()]
            rows = [r for rows in cell.values() for r in rows]
            means[shots] = mean(accuracies)
            exact = {
                "tasks": len(cell),
                "accuracy": means[shots],
                "task_se": float(np.std(accuracies, ddof=1) / np.sqrt(len(accuracies))),
                "mode_accuracy": mean(modes),
                **counted(rows, rivals),
            }
            right, mode = replicates[:, i, 0], replicates[:, i, 1]
            has_mode = exact["mode_accuracy"] is not None
            drawn = {
                "se": float(np.std(right)),
                "ci": interval(right),
                "mode_se": float(np.std(mode)) if has_mode else None,
                "p_mode_paired": not_positive(right - mode) if has_mode else None,
            }
            cell_rows.append({**curve, "shots": shots, "exact": exact, "bootstrap": drawn})
            for function, rows in cell.items():
                a = accuracy(rows)
                exact = {
                    "tasks": 1,
                    "accuracy": a,
                    "se": math.sqrt(a * (1 - a) / len(rows)),
                    "mode_accuracy": mean(map(mode_accuracy, rows)),
                    **counted(rows, rivals),
                }
                task_rows.append({**curve, "shots": shots, "function": function, "exact": exact})
        points = [(i, math.log(n)) for i, n in enumerate(cells) if n > 0]
        if len(points) > 1:
            at, x = [i for i, _ in points], np.array([x for _, x in points])
            centred = x - x.mean()
            slopes = replicates[:, at, 0] @ centred / (centred @ centred)
            intercepts = replicates[:, at, 0].mean(axis=1) - slopes * x.mean()
            y = [means[n] for n in cells if n > 0]
            a1, a0 = np.polyfit(x, y, 1)
            fit = {"a0": float(a0), "a1": float(a1), "a1_ci": interval(slopes), "a1_sd": float(np.std(slopes))}
            fit |= {"a0_sd": float(np.std(intercepts)), "p": not_positive(slopes), "points": len(points)}
            # One right answer more or less in a replicate moves the slope at least this far.
            weights = np.abs(centred / (centred @ centred))
            fit["a1_step"] = float(weights[weights > 0].min() / channels(next(iter(cells.values())))[..., 0].size)
            fits.append({**curve, **fit})
    return {"cells": cell_rows, "tasks": task_rows, "fits": fits}


def spearman(a: list[float], b: list[float]) -> float | None:
    """scipy's rank correlation, or None if a list is constant. Pearson's correlation of the ranks must agree."""
    if len(set(a)) == 1 or len(set(b)) == 1:
        return None
    ranks = [scipy.stats.rankdata(v) for v in (a, b)]
    return same(scipy.stats.spearmanr(a, b).statistic, np.corrcoef(*ranks)[0, 1], "rho")


def attenuation(splits: list[dict]) -> dict:
    """Split-half reliabilities, the disattenuated correlation and its jackknife interval, by scipy's correlations."""

    def correlations(keep: np.ndarray) -> np.ndarray | None:
        pairs = [[(s["a"][0], s["a"][1]), (s["b"][0], s["b"][1]), (s["a"][0], s["b"][1]), (s["a"][1], s["b"][0])]
                 for s in splits]  # fmt: skip
        found = [[spearman(np.array(x)[keep].tolist(), np.array(y)[keep].tolist()) for x, y in four] for four in pairs]
        if any(rho is None for four in found for rho in four):
            return None
        within_a, within_b, *across = np.mean(found, axis=0)
        return np.array([within_a, within_b, np.mean(across)])

    def rho(means: np.ndarray | None) -> float | None:
        return means[2] / math.sqrt(means[0] * means[1]) if means is not None and min(means[:2]) > 0 else None

    items = np.arange(len(splits[0]["a"][0]))
    means = correlations(items >= 0)
    whole = rho(means)
    without = [rho(correlations(items != item)) for item in items]
    interval = None
    if whole is not None and None not in without:
        n = len(without)
        half = 1.96 * math.sqrt((n - 1) * np.var(without))
        interval = [whole - half, whole + half]
    reliability = [None if means is None or r <= 0 else 2 * r / (1 + r) for r in ([0, 0] if means is None else means[:2])]
    return {"splits": splits, "reliability": reliability, "rho": whole, "interval": interval}


def attenuations() -> list[dict]:
    """Data sets of two models whose true values are correlated. Each half has noise of its own.

    One set has halves that do not agree, and one has a constant half.
    """
    rng = np.random.default_rng(SEED + 2)
    sets = []
    for items, count, noise, sign in ((6, 1, 0.5, 1), (30, 3, 0.5, 1), (100, 4, 1.0, 1), (40, 2, 0.3, -1)):
        true_a = rng.normal(size=items)
        true_b = 0.6 * true_a + 0.8 * rng.normal(size=items)
        # Rounding makes ties, as in accuracies of few trials.
        seen = lambda true, sign=1: np.round(4 * (sign * true + noise * rng.normal(size=items))).tolist()  # noqa: E731
        sets.append([{"a": [seen(true_a), seen(true_a, sign)], "b": [seen(true_b), seen(true_b)]} for _ in range(count)])
    sets.append([{"a": [[0.0] * 5, [1.0, 2.0, 3.0, 4.0, 5.0]], "b": [[1.0, 2.0, 3.0, 5.0, 4.0]] * 2}])
    return [attenuation(splits) for splits in sets]


def moments() -> list[dict]:
    """Beta distributions of true accuracies, by numpy's moments. The mean variance of the trials is subtracted."""
    rng = np.random.default_rng(SEED + 3)
    sets = []
    for items, alpha, beta in ((20, 0.4, 0.8), (100, 0.8, 1.5), (200, 3.0, 9.0)):
        trials = rng.choice([8, 128], items)
        right = rng.binomial(trials, rng.beta(alpha, beta, items))
        share = right / trials
        variance = np.var(share, ddof=1) - np.mean(share * (1 - share) / (trials - 1))
        concentration = share.mean() * (1 - share.mean()) / variance - 1
        sets.append({"right": right.tolist(), "trials": trials.tolist(), "alpha": share.mean() * concentration,
                     "beta": (1 - share.mean()) * concentration})  # fmt: skip
    return sets


def swap_tails(differences: list[int]) -> dict:
    """Both exact tails of the sum under random signs.

    A dictionary counts the ways to each sum in Python's integers, one sign after the other.
    """
    sums = {0: 1}
    for d in differences:
        if d:
            after = defaultdict(int)
            for total, ways in sums.items():
                after[total + d] += ways
                after[total - d] += ways
            sums = after
    observed, every = sum(differences), sum(sums.values())
    greater = Fraction(sum(ways for total, ways in sums.items() if total >= observed), every)
    less = Fraction(sum(ways for total, ways in sums.items() if total <= observed), every)
    # 17 digits as text, because a float could not hold the smallest tails.
    digits = [mpmath.nstr(mpmath.mpf(p.numerator) / p.denominator, 17) for p in (greater, less)]
    return {"differences": differences, "greater": digits[0], "less": digits[1]}


def paired(differences: np.ndarray) -> dict:
    one, two = (
        scipy.stats.ttest_rel(differences, np.zeros_like(differences), alternative=a) for a in ("greater", "two-sided")
    )
    se = same(np.std(differences, ddof=1) / np.sqrt(len(differences)), scipy.stats.sem(differences), "se")
    return {"mean": float(differences.mean()), "se": se, "t": float(one.statistic),
            "greater": float(one.pvalue), "two_sided": float(two.pvalue)}  # fmt: skip


def clustered(x: list[float], y: list[float], clusters: list[int]) -> dict:
    """A line with statsmodels' cluster-robust (CR1) errors. t has clusters - 1 degrees of freedom; p is one-sided."""
    fit = statsmodels.api.OLS(y, statsmodels.api.add_constant(x)).fit(
        cov_type="cluster", cov_kwds={"groups": np.array(clusters)}, use_t=True
    )
    df = len(set(clusters)) - 1
    t = fit.params[1] / fit.bse[1]
    return {"a0": float(fit.params[0]), "a1": float(fit.params[1]), "a0_se": float(fit.bse[0]),
            "a1_se": float(fit.bse[1]), "t": float(t), "df": df, "p": float(scipy.stats.t.sf(t, df))}  # fmt: skip


def exact_clustered(x: list[float], y: list[float], clusters: list[int]) -> dict:
    """The same formula as in `clustered` on exactly these floats, in 40 digits.

    If all cells have the same accuracy, errors, t and p are null. If only the slope's error is 0, t and p are null.
    """
    n, groups = len(x), sorted(set(clusters))
    x, y = list(map(mpmath.mpf, x)), list(map(mpmath.mpf, y))
    mean_x, mean_y = mpmath.fsum(x) / n, mpmath.fsum(y) / n
    sxx = mpmath.fsum((v - mean_x) ** 2 for v in x)
    a1 = mpmath.fsum((v - mean_x) * (w - mean_y) for v, w in zip(x, y)) / sxx
    left = [w - mean_y - a1 * (v - mean_x) for v, w in zip(x, y)]
    factor = mpmath.mpf(len(groups)) / (len(groups) - 1) * (n - 1) / (n - 2)

    def error(weight) -> float:
        scores = [mpmath.fsum(r * weight(v) for v, r, c in zip(x, left, clusters) if c == g) for g in groups]
        squares = mpmath.fsum(s * s for s in scores)
        return float(mpmath.sqrt(factor * squares)) if squares > 1e-30 else 0.0

    cells = defaultdict(list)
    for v, w, c in zip(x, y, clusters):
        cells[c, v].append(w)
    flat = len({mpmath.fsum(v) / len(v) for v in cells.values()}) == 1
    a1_se = error(lambda v: (v - mean_x) / sxx)
    t = None if flat or a1_se == 0 else float(a1) / a1_se
    df = len(groups) - 1
    return {"a0": float(mean_y - a1 * mean_x), "a1": float(a1) if abs(a1) > 1e-15 else 0.0,
            "a0_se": None if flat else error(lambda v: 1 / mpmath.mpf(n) - mean_x * (v - mean_x) / sxx),
            "a1_se": None if flat else a1_se, "t": t, "df": df,
            "p": None if t is None else student(t, df)}  # fmt: skip


def clustered_zeros() -> list[dict]:
    """Cluster-robust lines for right answers of each function at 1, 2, 4 and 8 shots, in 4 trials each.

    The designs: one accuracy for all functions; one accuracy for each function; all functions on one line; all but one
    on one line; slopes that cancel.
    """
    designs = {
        "all right": [[4] * 4] * 30,
        "all wrong": [[0] * 4] * 5,
        "one of four": [[1] * 4] * 100,
        "three of four": [[3] * 4] * 7,
        "always or never": [[4] * 4] * 50 + [[0] * 4] * 50,
        "each its own": [[i % 5] * 4 for i in range(33)],
        "one line": [[1, 2, 3, 4]] * 20,
        "one line but for one": [[1, 2, 3, 4]] * 19 + [[1, 2, 4, 4]],
        "up and down": [[1, 2, 3, 4], [4, 3, 2, 1]] * 6,
    }
    sets = []
    for name, functions in designs.items():
        cells = [(f, i, right) for f, rights in enumerate(functions) for i, right in enumerate(rights)]
        rows = [(math.log(2**i), float(trial < right), f) for f, i, right in cells for trial in range(4)]
        x, y, groups = (list(column) for column in zip(*rows))
        fit = exact_clustered(x, y, groups)
        if fit["t"] is not None:
            other = clustered(x, y, groups)
            for key in ("a0", "a1_se", "a0_se"):
                same(fit[key], other[key], f"{name}, {key}")
        sets.append({"name": name, "functions": functions, "fit": fit})
    return sets


def equal_gaps() -> list[dict]:
    """Differences that are equal but for rounding, as between accuracies over different numbers of trials."""
    sets = [[0.1, 0.3 - 0.2, 0.9 - 0.8, 1.0 - 0.9], [k / 7 - (k - 1) / 7 for k in range(1, 8)], [1 / 3] * 1000]
    sets += [[-0.7] * 12, [0.0] * 5]
    return [{"differences": d, "mean": float(mpmath.fsum(map(mpmath.mpf, d)) / len(d))} for d in sets]


def tests() -> dict:
    rng = np.random.default_rng(SEED + 1)
    lists = [(rng.normal(size=n).tolist(), rng.normal(size=n).tolist()) for n in (2, 3, 10, 100)]
    # Lists with ties, as in gaps of few trials, and a constant list.
    lists += [(rng.integers(-3, 4, n).astype(float).tolist(), rng.integers(-2, 3, n).astype(float).tolist())
              for n in (8, 30, 100)]  # fmt: skip
    lists += [([0.0] * 5, [1.0, 2.0, 3.0, 4.0, 5.0])]
    swaps = [rng.integers(-5, 6, n).tolist() for n in (1, 7, 20, 60)]
    # The published design (100 functions, 128 trials, a strong effect), and so many tasks that 2^tasks exceeds an f64.
    swaps += [rng.integers(-20, 100, 100).tolist(), rng.integers(-3, 129, 100).tolist()]
    swaps += [(-rng.integers(0, 9, 40)).tolist()]
    swaps += [rng.integers(-1, 9, 400).tolist(), rng.integers(0, 3, 1400).tolist()]
    paired_rows = []
    for n in (2, 3, 20, 100):
        for shift in (0.0, 0.1, -0.3):
            differences = np.round(rng.normal(shift, 0.2, n) * 128) / 128
            paired_rows.append({"differences": differences.tolist(), **paired(differences)})
    clusters = []
    for functions, trials, shots in ((3, 4, (1, 2)), (10, 2, (1, 2, 4, 8)), (40, 3, (1, 4, 16, 64))):
        levels = rng.uniform(0, 0.5, functions)
        rows = [(math.log(n), float(rng.random() < levels[f] + 0.08 * math.log(n)), f)
                for f in range(functions) for n in shots for _ in range(trials)]  # fmt: skip
        if functions == 10:
            # Clusters of unequal size.
            del rows[5:12]
        x, y, groups = (list(column) for column in zip(*rows))
        clusters.append({"x": x, "y": y, "clusters": groups, "fit": clustered(x, y, groups)})
    levels_of_p = [rng.uniform(0, 1, n).tolist() for n in (1, 2, 5, 40)] + [[1e-30, 0.5, 1e-30, 0.9], [0.0, 1.0]]
    sizes = defaultdict(lambda: defaultdict(list))
    curves = defaultdict(list)
    with (PAPER / "table4.csv").open() as file:
        for row in DictReader(file):
            size = math.log(float(row["params_b"]) * 1e9)
            sizes[row["modality"]][f"accuracy {row['shots']}"].append((size, float(row["accuracy"])))
            curves[row["modality"], size].append((math.log(int(row["shots"])), float(row["accuracy"])))
    for (family, size), points in curves.items():
        fit = line(*map(list, zip(*points)))
        for name in ("a0", "a1"):
            sizes[family][name].append((size, fit[name]))
    families = [
        {"family": family, "quantity": name.split()[0], "shots": int(name.split()[1]) if " " in name else None,
         **line(*map(list, zip(*points)))}
        for family, quantities in sizes.items() for name, points in quantities.items()
    ]  # fmt: skip
    records = [json.loads(text) for text in PREDICTIONS.read_text().splitlines()]
    predicted = defaultdict(list)
    for record in records:
        if record["shots"] > 0:
            predicted[tuple(record[c] for c in CURVE)].append(record)
    trial_fits = []
    for key, rows in predicted.items():
        if len({r["shots"] for r in rows}) > 1:
            x, y = [math.log(r["shots"]) for r in rows], [float(r["correct"]) for r in rows]
            groups = [sorted({r["function"] for r in rows}).index(r["function"]) for r in rows]
            trial_fits.append({**dict(zip(CURVE, key)), **clustered(x, y, groups)})
    return {
        "families": families,
        "trial_fits": trial_fits,
        "attenuation": attenuations(),
        "moments": moments(),
        "spearman": [{"a": a, "b": b, "rho": spearman(a, b)} for a, b in lists],
        "multiple": [
            {"p": p, **{name: multipletests(p, method=method)[1].tolist() for name, method in CORRECTIONS.items()}}
            for p in levels_of_p
        ],
        "swap": [swap_tails([int(d) for d in differences]) for differences in swaps],
        "paired": paired_rows,
        "equal_gaps": equal_gaps(),
        "clusters": clusters,
        "clustered_zeros": clustered_zeros(),
    }


KINDS = ("malformed", "rival", "mode", "demonstration", "query", "one_bit", "other")


def kinds_of(answer: str, record: dict, rivals: set[str]) -> set[str]:
    """The kinds of a wrong answer that has the full length."""
    outputs = Counter(record.get("outputs") or [])
    fits = {
        "rival": answer in rivals,
        "mode": outputs[answer] > 0 and outputs[answer] == max(outputs.values()),
        "demonstration": outputs[answer] > 0,
        "query": answer == record["query"],
        "one_bit": sum(a != b for a, b in zip(answer, record["target"])) == 1,
    }
    return {kind for kind, fit in fits.items() if fit} or {"other"}


def rival_answers(record: dict, suite: list[Program]) -> set[str]:
    """The answers of the functions that agree with all demonstrations, or none if there are no true demonstrations."""
    if "outputs" not in record or record["condition"] == "deranged":
        return set()
    answers, shown = set(), list(zip(record["inputs"], record["outputs"]))
    for rival in suite:
        constants = all_strings(record["bits"]) if rival.uses_constant else ["0" * record["bits"]]
        answers |= {rival(record["query"], c) for c in constants if all(rival(x, c) == y for x, y in shown)}
    return answers


def errors() -> dict:
    records = [json.loads(text) for text in PREDICTIONS.read_text().splitlines()]
    suite = programs()
    cells = defaultdict(list)
    for record in records:
        cells[tuple(record[c] for c in CELL)].append(record)
    rows, designs = [], []
    for key, cell in cells.items():
        wrong = [r for r in cell if r["prediction"] != r["target"]]
        count, once, chance = Counter(), Counter(), Counter()
        for record in wrong:
            if len(record["prediction"]) != record["bits"]:
                count["malformed"] += 1
                once["malformed"] += 1
                continue
            rivals = rival_answers(record, suite)
            fits = kinds_of(record["prediction"], record, rivals)
            count.update(fits)
            once[next(kind for kind in KINDS if kind in fits)] += 1
            for answer in all_strings(record["bits"]):
                if answer != record["target"]:
                    chance.update(kinds_of(answer, record, rivals))
        strings = len(wrong) * (2 ** cell[0]["bits"] - 1)
        rows.append(
            {**dict(zip(CELL, key)), "wrong": len(wrong),
             "kinds": {k: [count[k], once[k], chance[k] / strings if wrong else None] for k in KINDS}}
        )  # fmt: skip
        designs.append({**dict(zip(CELL, key)), **components(list(by_function(cell).values()))})
    return {"cells": rows, "power": designs}


def components(tasks: list[list[dict]]) -> dict:
    """Deviations between and within tasks, by one-way analysis of variance. All tasks have equally many trials."""
    table = np.array([[r["prediction"] == r["target"] for r in rows] for rows in tasks], float)
    functions, trials = table.shape
    means = table.mean(axis=1)
    within = ((table - means[:, None]) ** 2).sum() / (functions * (trials - 1))
    between = max(0.0, means.var(ddof=1) - within / trials)
    bootstrap = (means.var() + (table.var(axis=1) / trials).mean()) / functions
    return {"tasks": functions, "trials": trials, "se": math.sqrt(bootstrap),
            "between": math.sqrt(between), "within": math.sqrt(within)}  # fmt: skip


CONTRASTED = {"a": (1, 2, 8), "b": (1, 2), "c": (2, 8)}
TRIALS = 4


def draw_contrast() -> list[dict]:
    """Draws random answers of three models in both conditions. Each model has its own shot counts."""
    rng = np.random.default_rng(SEED + 2)
    levels = {function: rng.uniform(0, 0.6) for function in SUITE}
    records = []
    for model, counts in CONTRASTED.items():
        for shots in counts:
            for function in SUITE:
                for condition in ("clean", "deranged"):
                    for trial in range(TRIALS):
                        chance = levels[function] + (0.3 if condition == "clean" and shots > 1 else 0)
                        correct = bool(rng.random() < chance)
                        records.append(
                            {"trial_id": f"{function}/{condition}/{shots}/{trial}", "function": function, "bits": 8,
                             "condition": condition, "shots": shots, "trial": trial, "design": "independent",
                             "query": "00000000", "target": "01010101", "model": model, "modality": "baseline",
                             "prediction": "01010101" if correct else "01010100", "correct": correct}
                        )  # fmt: skip
    return records


def contrast(records: list[dict]) -> dict:
    right = defaultdict(int)
    for r in records:
        right[r["model"], r["shots"], r["condition"], r["function"]] += r["correct"]
    functions = sorted(SUITE)

    def rights(model: str, shots: int, condition: str) -> np.ndarray:
        return np.array([right[model, shots, condition, f] for f in functions])

    def compared(a: np.ndarray, b: np.ndarray) -> dict:
        tails = swap_tails([int(d) for d in a - b])
        signs = {"up": int((a > b).sum()), "equal": int((a == b).sum()), "down": int((a < b).sum())}
        exact = {"swap_greater": float(tails["greater"]), "swap_less": float(tails["less"])}
        return {**signs, **exact, **paired((a - b) / TRIALS)}

    cells, profiles = [], {}
    for model, counts in CONTRASTED.items():
        for shots in counts:
            both = [rights(model, shots, condition) for condition in ("clean", "deranged")]
            means = {f"{name}_accuracy": float(v.mean() / TRIALS) for name, v in zip(("clean", "deranged"), both)}
            cells.append({"model": model, "shots": shots, **means, **compared(*both)})
        profiles[model] = (both[0] - both[1]).astype(float)
    last = [row for row in cells if row["shots"] == max(CONTRASTED[row["model"]])]
    for name, method in CORRECTIONS.items():
        for row, p in zip(last, multipletests([row["swap_greater"] for row in last], method=method)[1]):
            row[name] = float(p)
    similarities = []
    for a, b in combinations(CONTRASTED, 2):
        found = scipy.stats.permutation_test(
            (profiles[a],), lambda x, b=b: scipy.stats.spearmanr(x, profiles[b]).statistic, permutation_type="pairings",
            alternative="greater", n_resamples=20_000, rng=np.random.default_rng(SEED + 3),
        )  # fmt: skip
        rho = spearman(profiles[a], profiles[b])
        similarities.append({"model_a": a, "model_b": b, "rho": rho, "p": float(found.pvalue)})
    pairs = []
    for a, b in combinations(CONTRASTED, 2):
        shots = max(set(CONTRASTED[a]) & set(CONTRASTED[b]))
        for condition in ("clean", "deranged"):
            x, y = rights(a, shots, condition), rights(b, shots, condition)
            best = [{f for _, f in sorted(zip(-v, functions))[:3]} for v in (x, y)]
            pairs.append(
                {"model_a": a, "model_b": b, "condition": condition, "shots": shots, **compared(x, y),
                 "best_a": sorted(best[0]), "best_b": sorted(best[1]),
                 "iou": len(best[0] & best[1]) / len(best[0] | best[1])}
            )  # fmt: skip
    return {"cells": cells, "similarities": similarities, "pairs": pairs}


# The functions at each shot count, as positions in SUITE. 4 shots have so few that a replicate may draw none of them.
PARTIAL = {1: (0, 1, 2, 3, 6), 2: (2, 3, 4, 5, 6), 4: (0, 5)}


def draw_partial() -> list[dict]:
    """Draws random answers with different functions and different numbers of trials at every shot count."""
    rng = np.random.default_rng(SEED + 4)
    records = []
    for shots, functions in PARTIAL.items():
        for i in functions:
            for trial in range(2 + (i + shots) % 3):
                correct = bool(rng.random() < 0.15 + 0.1 * i)
                records.append(
                    {"trial_id": f"{SUITE[i]}/{shots}/{trial}", "function": SUITE[i], "bits": 8, "condition": "clean",
                     "shots": shots, "trial": trial, "design": "independent", "query": "00000000",
                     "target": "01010101", "model": "partial", "prediction": "01010101" if correct else "01010100",
                     "correct": correct}
                )  # fmt: skip
    return records


def partial(records: list[dict]) -> dict:
    """The two-stage bootstrap by function name.

    As many functions are drawn as there are in all, once for all shot counts. Then trials are drawn for the functions
    that the shot count has.
    """
    rng = np.random.default_rng(SEED + 5)
    cells = defaultdict(lambda: defaultdict(list))
    for r in records:
        cells[r["shots"]][r["function"]].append(float(r["correct"]))
    cells = {shots: {f: np.array(v) for f, v in tasks.items()} for shots, tasks in cells.items()}
    union = sorted({f for tasks in cells.values() for f in tasks})
    means = np.full((REPLICATES, len(cells)), np.nan)
    for b in range(REPLICATES):
        drawn = [union[i] for i in rng.integers(len(union), size=len(union))]
        for i, tasks in enumerate(cells.values()):
            units = [tasks[f] for f in drawn if f in tasks]
            if units:
                means[b, i] = np.mean([u[rng.integers(len(u), size=len(u))].mean() for u in units])
    rows = []
    for i, (shots, tasks) in enumerate(cells.items()):
        known = means[~np.isnan(means[:, i]), i]
        rows.append(
            {"shots": shots, "accuracy": float(np.mean([v.mean() for v in tasks.values()])), "se": float(np.std(known)),
             "ci": interval(known), "missing": 1 - len(known) / REPLICATES}
        )  # fmt: skip
    x = np.log(list(cells))
    centred = x - x.mean()
    whole = means[~np.isnan(means).any(axis=1)]
    slopes = whole @ centred / (centred @ centred)
    fit = {"a1_ci": interval(slopes), "a1_sd": float(np.std(slopes)), "missing": 1 - len(whole) / REPLICATES}
    return {"cells": rows, "fit": fit}


def write(name: str, body: dict | list) -> None:
    """Writes JSON with one list item per line, for readers and diffs."""
    packages = ("mpmath", "numpy", "scipy", "statsmodels")
    sections = {"made_with": {p: version(p) for p in packages}, **(body if isinstance(body, dict) else {"rows": body})}
    parts = []
    for key, value in sections.items():
        text = json.dumps(value)
        if isinstance(value, list):
            text = "[\n  " + ",\n  ".join(json.dumps(item) for item in value) + "\n ]"
        parts.append(f" {json.dumps(key)}: {text}")
    (OUT / name).write_text("{\n" + ",\n".join(parts) + "\n}\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=Path, help="folder of the built filters: draw new predictions")
    args = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    if args.bin:
        draw_predictions(args.bin.resolve())
    write("numbers.json", numbers())
    write("functions.json", functions())
    write("scores.json", scores())
    write("errors.json", errors())
    write("tests.json", tests())
    records = draw_contrast()
    (OUT / "contrast.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    write("contrast.json", contrast(records))
    records = draw_partial()
    (OUT / "partial.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    write("partial.json", partial(records))
    return 0


if __name__ == "__main__":
    sys.exit(main())
