"""Record how scipy fits the shapes of learning curves, as a fixture: tests/fixtures/stats/shapes.json.

    python3 tests/oracle/make_shape_fixtures.py

Draws counts of right answers and fits every shape of docs/shapes.md to them. The fits use scipy's BFGS from many
starts, then a Nelder-Mead search. Both know nothing of the form of the likelihood. The break is tried at every inner
shot count. The half-saturation point of a saturating curve comes from a dense grid and a bounded search. Each function
is left out in turn. Lack of fit is Hotelling's test on scipy's null space of the terms. Curvature is a one-sample
t-test on numpy's polynomial fits. Runs in the environment of tests/oracle/stats-requirements.txt.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import scipy.linalg
import scipy.optimize
import scipy.stats

OUT = Path(__file__).resolve().parents[1] / "fixtures" / "stats" / "shapes.json"
SEED = 20260914

TERMS = {
    "log": lambda n, c: [1 + 0 * n, np.log(n)],
    "constant": lambda n, c: [1 + 0 * n],
    "linear": lambda n, c: [1 + 0 * n, n],
    "root": lambda n, c: [1 + 0 * n, np.sqrt(n)],
    "logistic": lambda n, c: [1 + 0 * n, np.log(n)],
    "saturating": lambda n, c: [1 + 0 * n, n / (n + c)],
    "break": lambda n, c: [1 + 0 * n, np.log(n), np.maximum(0, np.log(n / c))],
}
PARAMETERS = {"log": 2, "constant": 1, "linear": 2, "root": 2, "logistic": 2, "saturating": 3, "break": 4}
LINEAR = ("log", "constant", "linear", "root")


def likelihood(p: np.ndarray, hits: np.ndarray, trials: np.ndarray) -> float:
    return float(np.sum(hits * np.log(p) + (trials - hits) * np.log1p(-p)))


def curve(shape: str, terms: np.ndarray, coefficients: np.ndarray, margin: float) -> np.ndarray:
    p = coefficients @ terms
    if shape == "logistic":
        p = scipy.special.expit(p)
    return np.clip(p, margin, 1 - margin)


def fit_at(
    shape: str, terms: np.ndarray, hits: np.ndarray, trials: np.ndarray, margin: float, last: bool = True
) -> tuple[float, np.ndarray]:
    """The greatest log-likelihood and the coefficients, for a known c. `last` adds a Nelder-Mead search."""
    shares = hits / trials
    if shape == "logistic":
        shares = scipy.special.logit(np.clip(shares, margin, 1 - margin))
    level = np.zeros(len(terms))
    level[0] = shares.mean()
    # Clipping makes several peaks. So start from the lines through all points, and without the first or last few.
    most = len(shares) - len(terms)
    ranges = [*(slice(i, None) for i in range(most + 1)), *(slice(None, -i) for i in range(1, most + 1))]
    starts = [level, *(np.linalg.lstsq(terms.T[r], shares[r], rcond=None)[0] for r in ranges)]

    def lost(x: np.ndarray) -> float:
        return -likelihood(curve(shape, terms, x, margin), hits, trials)

    found = min((scipy.optimize.minimize(lost, start) for start in starts), key=lambda found: found.fun)
    if last:
        found = scipy.optimize.minimize(lost, found.x, method="Nelder-Mead", options={"xatol": 1e-11, "fatol": 1e-12})
    return -found.fun, found.x


def fit(shape: str, n: np.ndarray, hits: np.ndarray, trials: np.ndarray, margin: float) -> tuple:
    """(log-likelihood, probabilities, coefficients, c)"""

    def at(c: float, last: bool = False) -> tuple[float, np.ndarray]:
        return fit_at(shape, np.array(TERMS[shape](n, c)), hits, trials, margin, last)

    if shape == "break":
        c = max(n[1:-1], key=lambda c: (at(c)[0], -c))
    elif shape == "saturating":
        grid = np.linspace(np.log(n[0]), np.log(n[-1]), 33)
        values = [at(np.exp(x))[0] for x in grid]
        i = int(np.argmax(values))
        bounds = (grid[max(i - 1, 0)], grid[min(i + 1, len(grid) - 1)])
        found = scipy.optimize.minimize_scalar(
            lambda x: -at(np.exp(x))[0], bounds=bounds, method="bounded", options={"xatol": 1e-9}
        )
        c = float(np.exp(found.x))
    else:
        c = None
    value, coefficients = at(c, True)
    terms = np.array(TERMS[shape](n, c))
    return value, curve(shape, terms, coefficients, margin), coefficients, c


def lack_of_fit(profiles: np.ndarray, terms: np.ndarray) -> dict | None:
    outside = scipy.linalg.null_space(terms)
    count, q = len(profiles), outside.shape[1]
    if count <= q:
        return None
    z = profiles @ outside
    covariance = np.atleast_2d(np.cov(z.T))
    if np.linalg.matrix_rank(covariance, tol=1e-12) < q:
        return None
    w = count * z.mean(0) @ np.linalg.solve(covariance, z.mean(0))
    f = w * (count - q) / (q * (count - 1))
    return {"f": float(f), "df1": q, "df2": count - q, "p": float(scipy.stats.f.sf(f, q, count - q))}


def shapes(n: list[int], hits: np.ndarray, trials: np.ndarray) -> list[dict]:
    x = np.array(n, dtype=float)
    margin = 0.5 / trials.max()
    profiles = hits / trials
    scores, rows = {}, []
    for shape, parameters in PARAMETERS.items():
        if parameters >= len(n):
            continue
        value, _, coefficients, c = fit(shape, x, hits.sum(0), trials.sum(0), margin)
        left_out = []
        for i in range(len(hits)):
            others = np.arange(len(hits)) != i
            p = fit(shape, x, hits[others].sum(0), trials[others].sum(0), margin)[1]
            left_out.append(likelihood(p, hits[i], trials[i]))
        scores[shape] = np.array(left_out)
        gains = scores[shape] - scores["log"]
        rows.append(
            {"shape": shape, "log_likelihood": value, "log_score": float(scores[shape].mean()), "c": c,
             "coefficients": [float(x) for x in coefficients],
             "gain": None if shape == "log" else float(gains.mean()),
             "gain_se": None if shape == "log" else float(gains.std(ddof=1) / np.sqrt(len(gains))),
             "test": lack_of_fit(profiles, np.array(TERMS[shape](x, 1.0))) if shape in LINEAR else None}
        )  # fmt: skip
        print(shape, file=sys.stderr)
    bends = np.array([np.polyfit(np.log(x), profile, 2)[0] for profile in profiles])
    rows[0]["curvature"] = float(bends.mean())
    rows[0]["curvature_se"] = float(bends.std(ddof=1) / np.sqrt(len(bends)))
    rows[0]["p_curvature"] = float(scipy.stats.ttest_1samp(bends, 0).pvalue)
    return rows


def draw(name: str, n: list[int], means: list[float], trials: int, functions: int, rng: np.random.Generator) -> dict:
    levels = rng.beta(0.8, 1.6, functions)[:, None] * 3
    hits = rng.binomial(trials, np.clip(levels * np.array(means), 0, 1))
    counts = np.full_like(hits, trials)
    return {"name": name, "shots": n, "trials": trials, "hits": hits.tolist(), "rows": shapes(n, hits, counts)}


def main() -> int:
    rng = np.random.default_rng(SEED)
    n = [1, 2, 4, 8, 16, 32, 64, 128]
    log = [0.1 + 0.05 * np.log(k) for k in n]
    saturating = [0.02 + 0.6 * k / (k + 10) for k in n]
    broken = [0.05 + 0.15 * max(0.0, np.log(k / 8)) for k in n]
    few = n[:5]
    sets = [
        draw("a line", n, log, 8, 12, rng),
        draw("a saturating curve", n, saturating, 8, 12, rng),
        draw("a break after nothing", n, broken, 5, 9, rng),
        draw("five shot counts", few, log[:5], 16, 6, rng),
        draw("three shot counts, fewer functions than points left over", n[:3], log[:3], 4, 2, rng),
    ]
    body = {"made_with": {p: version(p) for p in ("numpy", "scipy")}, "sets": sets}
    OUT.write_text(json.dumps(body, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
