"""Runs every script of examples/ on real predictions and compares its output with the filters'.

    SHOTLINE_BIN=target/release python3 -m pytest tests/python/test_examples.py
"""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("SHOTLINE_BIN", ROOT / "target" / "release")).resolve()


def run(*command, text: bytes = b"", cwd: Path | None = None) -> bytes:
    parts = [str(part) for part in command]
    return subprocess.run(parts, input=text, cwd=cwd, check=True, capture_output=True).stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with predictions.parquet and scores.csv of a baseline."""
    path = tmp_path_factory.mktemp("examples")
    trials = run(BIN / "gen-tasks", "--suite", "primitives", "--shots", "1,4,16", "--trials", "3")
    prompts = run(BIN / "encode", "--alphabet", "genomic", text=trials)
    run(BIN / "infer", "--model", "builtin:nearest", "-o", "predictions.parquet", text=prompts, cwd=path)
    run(BIN / "score", "predictions.parquet", "-o", "scores.csv", cwd=path)
    return path


def example(name: str, *files: str, folder: Path) -> str:
    return run(sys.executable, ROOT / "examples" / name, *files, cwd=folder).decode()


def scores_of(folder: Path) -> dict[int, dict]:
    with (folder / "scores.csv").open() as file:
        return {int(row["shots"]): row for row in csv.DictReader(file)}


def test_pandas_curves_are_the_scores(folder):
    said = example("pandas_curves.py", "predictions.parquet", folder=folder)
    numbers = re.findall(r"(\d+)\s+(\d\.\d{4})\s+(\d\.\d{4})$", said, re.MULTILINE)
    scores = scores_of(folder)
    assert len(numbers) == len(scores) == 3
    for shots, accuracy, task_se in numbers:
        assert float(accuracy) == pytest.approx(float(scores[int(shots)]["accuracy"]), abs=5e-5)
        assert float(task_se) == pytest.approx(float(scores[int(shots)]["task_se"]), abs=5e-5)


def test_polars_mistakes_are_those_of_wrong_whole_answers(folder):
    said = example("polars_mistakes.py", "predictions.parquet", folder=folder)
    answers = {int(n): int(count) for n, count in re.findall(r"builtin:nearest\s+\S\s+(\d+)\s+\S\s+(\d+)\s", said)}
    expected = {n: round(int(s["trials"]) * (1 - float(s["accuracy"]))) for n, s in scores_of(folder).items()}
    assert answers == expected


def test_duckdb_hardest_names_five_functions_below_the_mean(folder):
    said = example("duckdb_hardest.py", "predictions.parquet", "scores.csv", folder=folder)
    rows = re.findall(r"builtin:nearest\s+\S\s+(\d+)\s+\S\s+(\w+)\s+\S\s+([\d.]+)\s+\S\s+(-?[\d.]+)\s", said)
    assert len(rows) == 5
    assert {row[0] for row in rows} == {"16"}
    assert all(float(row[3]) <= 0 for row in rows)


def test_matplotlib_curve_fits_the_line_of_fit_loglinear(folder, tmp_path):
    said = example("matplotlib_curve.py", "scores.csv", str(tmp_path / "curve.pdf"), folder=folder)
    (fit,) = csv.DictReader(run(BIN / "fit-loglinear", "scores.csv", cwd=folder).decode().splitlines())
    a0, a1 = map(float, re.findall(r"-?\d\.\d{4}", said))
    assert (a0, a1) == pytest.approx((float(fit["a0"]), float(fit["a1"])), abs=5e-5)
    assert (tmp_path / "curve.pdf").read_bytes().startswith(b"%PDF")


def test_altair_curve_has_every_score(folder, tmp_path):
    example("altair_curve.py", "scores.csv", str(tmp_path / "curve.html"), folder=folder)
    page = (tmp_path / "curve.html").read_text()
    for shots, score in scores_of(folder).items():
        assert re.search(rf'"shots": {shots}\b.*?"accuracy": {float(score["accuracy"])}', page), shots
