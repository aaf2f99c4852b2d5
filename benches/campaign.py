"""A whole campaign through `score` and `contrast`: 21 models, 281 cells, 100 functions, 128 trials, 3.6e6 predictions.

    python3 benches/campaign.py --bin target/release [--predictions FILE]

Draws random answers (20 models at 7 shot counts in both conditions, and one more cell) into a Parquet file without
demonstrations, as published raw results are; keeps it where --predictions says, and takes one that is there. Times
`score` with 5000 replicates, `contrast`, and benches/score_pandas.py on it: wall and CPU time, and peak memory as the
kernel counts it. Checks that both scores agree. Runs with scripts/requirements/test.txt.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent
SHOTS = (1, 2, 4, 8, 16, 32, 64)
FUNCTIONS, TRIALS, MODELS = 100, 128, 20
LISTED = (HERE.parent / "src/program/paper.txt").read_text().splitlines()
SUITE = [name for name in LISTED if name and not name.startswith("#")]


def cells() -> list[tuple[str, str, int]]:
    """(model, condition, shots)"""
    both = ("clean", "deranged")
    all_cells = [(f"model-{i:02}", condition, n) for i in range(MODELS) for condition in both for n in SHOTS]
    return [*all_cells, (f"model-{MODELS:02}", "clean", 64)]


def strings(values: np.ndarray) -> pa.Array:
    """Converts 8-bit numbers to bitstrings."""
    table = pa.array([f"{i:08b}" for i in range(256)])
    return table.take(pa.array(values))


def draw(path: Path) -> None:
    rng = np.random.default_rng(0)
    levels = rng.beta(0.4, 1.2, FUNCTIONS)
    rows = FUNCTIONS * TRIALS
    names = np.repeat(np.array(SUITE), TRIALS)
    trials = np.tile(np.arange(TRIALS), FUNCTIONS)
    writer = None
    for model, condition, shots in cells():
        target = rng.integers(256, size=rows)
        target[rng.random(rows) < 0.24] = 0
        right = rng.random(rows) < np.repeat(levels, TRIALS) * (0.4 + 0.1 * np.log(shots))
        answer = np.where(right, target, target ^ rng.integers(1, 256, size=rows))
        constant = {
            "bits": 8, "condition": condition, "shots": shots, "seed": 0, "design": "independent",
            "encoding": "genomic", "template": "{x}{y}{sep}", "model": model, "modality": "genomic", "params": 7e9,
            "method": "generate", "constrained": False, "bos": False,
        }  # fmt: skip
        columns = {
            "trial_id": pa.array([f"{f}/b8/{condition}/n{shots}/t{t}/s0" for f, t in zip(names, trials)]),
            "sequence_id": pa.nulls(rows, pa.string()),
            "function": pa.array(names),
            "trial": pa.array(trials),
            "query": strings(rng.integers(256, size=rows)),
            "target": strings(target),
            "prediction": strings(answer),
            "correct": pa.array(right),
            "answer_logprob": pa.array(-rng.exponential(4, rows)),
            **{name: pa.array([value] * rows) for name, value in constant.items()},
        }
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
    if writer:
        writer.close()


def timed(command: list, output: Path) -> str:
    """Runs a command with its output in a file. Returns its time and peak memory, as text."""
    begin = time.perf_counter()
    child = os.fork()
    if child == 0:
        with output.open("wb") as file:
            os.dup2(file.fileno(), 1)
        os.execv(command[0], [str(part) for part in command])
    _, status, usage = os.wait4(child, 0)
    if status != 0:
        raise SystemExit(f"{command}: {status}")
    wall, cpu = time.perf_counter() - begin, usage.ru_utime + usage.ru_stime
    return f"{wall:6.1f} s wall, {cpu:6.1f} s CPU, {usage.ru_maxrss / 1024:6.0f} MiB"


def compare(ours: Path, theirs: Path) -> None:
    """Checks that exact columns agree up to rounding, and bootstrap errors within six of their standard errors."""
    key = ["model", "condition", "shots"]
    a, b = (pd.read_csv(path).set_index(key).sort_index() for path in (ours, theirs))
    for name in ("accuracy", "task_se", "malformed", "edit_distance", "answer_logprob", "correct_other"):
        np.testing.assert_allclose(a[name], b[name], rtol=1e-10)
    np.testing.assert_allclose(a["se"], b["se"], rtol=6 / np.sqrt(5000))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=Path, required=True, help="folder of the built filters")
    parser.add_argument("--predictions", type=Path, help="where the predictions are, or shall be kept")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        predictions = args.predictions or Path(folder) / "predictions.parquet"
        if not predictions.exists():
            draw(predictions)
        ours, theirs = Path(folder) / "ours.csv", Path(folder) / "theirs.csv"
        filters = args.bin.resolve()
        print("score          ", timed([filters / "score", predictions, "--quiet"], ours))
        print("contrast       ", timed([filters / "contrast", predictions, "--quiet"], Path(folder) / "contrast.csv"))
        print("pandas and numpy", timed([sys.executable, HERE / "score_pandas.py", predictions], theirs))
        compare(ours, theirs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
