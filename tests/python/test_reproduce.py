"""`make reproduce`: the whole protocol on a tiny model and a baseline, stopped, started again, and with other settings.

    SHOTLINE_BIN=target/release python3 -m pytest tests/python/test_reproduce.py

Needs the built filters and `make runtime`.
"""

import csv
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("SHOTLINE_BIN", ROOT / "target" / "release")).resolve()
TINY = "tests/fixtures/models/tiny-subset"
SETTINGS = {"TRIALS": "2", "SHOTS": "1,2,4", "BASELINES": "mode", "MODELS": f"{TINY} builtin:nearest"}


def make(out: Path, fails: bool = False, **settings: str) -> str:
    words = [f"{name}={value}" for name, value in {**SETTINGS, **settings}.items()]
    command = ["make", "-f", "scripts/reproduce.mk", f"BIN={BIN}", f"OUT={out}", *words]
    environment = {**os.environ, "SHOTLINE_ORT_LIB": str(ROOT / "runtime")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr


def rows(path: Path) -> list[dict]:
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("reproduce")
    make(out, CONTROL="1")
    return out


def times(out: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}


def test_everything_is_there(reproduced):
    scores = rows(reproduced / "scores.csv")
    models = {"tiny-subset", "builtin:nearest", "builtin:mode"}
    cells = {(s["model"], s["condition"], s["shots"]) for s in scores}
    expected = {(m, "clean", n) for m in models for n in "124"} | {(m, "deranged", n) for m in models for n in "24"}
    assert cells == expected
    assert all(s["tasks"] == "100" and s["trials"] == "200" for s in scores)
    assert {f["model"] for f in rows(reproduced / "fits.csv")} == models
    assert {c["shots"] for c in rows(reproduced / "contrasts.csv")} == {"2", "4"}
    assert len(rows(reproduced / "contrast-tasks.csv")) == 2 * 2 * 100
    assert len(rows(reproduced / "profiles.csv")) == 1
    assert rows(reproduced / "versus.csv")
    figures = {path.stem for path in (reproduced / "figures").iterdir()}
    assert {"curve", "bitload", "bitdiversity", "zero-bd", "understandable", "errors", "contrast", "tasks"} <= figures
    report = (reproduced / "report.html").read_text()
    assert report.count("<svg") == len(figures)
    # The exact commands, from the first filter on.
    assert "gen-tasks --quiet --design independent --suite paper --trials 2 --seed 0" in report
    assert f"infer --quiet --resume --model {TINY}" in report


def test_a_second_run_makes_nothing_anew(reproduced):
    before = times(reproduced)
    make(reproduced, CONTROL="1")
    assert times(reproduced) == before


def test_a_run_goes_on_where_it_was_stopped(reproduced):
    before = times(reproduced)
    lost = reproduced / "predictions" / "tiny-subset.clean.n2.parquet"
    kept = lost.with_name("tiny-subset.clean.n4.parquet")
    contents = lost.read_bytes()
    lost.unlink()
    (reproduced / "report.html").unlink()
    make(reproduced, CONTROL="1")
    assert lost.stat().st_size == pytest.approx(len(contents), rel=0.01)
    assert kept.stat().st_mtime_ns == before[kept]
    assert (reproduced / "report.html").exists()


def test_a_failed_step_leaves_no_file_of_its_own(tmp_path):
    said = make(tmp_path, fails=True, DEVICE="nonsense")
    assert "nonsense" in said
    assert not list((tmp_path / "predictions").glob("*"))
    assert not (tmp_path / "scores.csv").exists()


def test_other_settings_draw_other_trials(tmp_path):
    one = {"MODELS": "builtin:nearest", "SHOTS": "1,2"}
    make(tmp_path, **one)
    assert {s["trials"] for s in rows(tmp_path / "scores.csv")} == {"200"}
    make(tmp_path, **one, TRIALS="3")
    assert {s["trials"] for s in rows(tmp_path / "scores.csv")} == {"300"}


def test_a_nested_design_reads_every_shot_count_from_one_sequence(tmp_path):
    make(tmp_path, DESIGN="nested", TRIALS="1")
    assert sorted(path.name for path in (tmp_path / "predictions").glob("*.parquet")) == [
        "builtin-mode.nested.parquet", "builtin-nearest.nested.parquet", "tiny-subset.nested.parquet"
    ]  # fmt: skip
    assert {(s["design"], s["shots"]) for s in rows(tmp_path / "scores.csv")} == {("nested", n) for n in "124"}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"MODELS": ""}, "MODELS is empty"),
        ({"DESIGN": "nested", "CONTROL": "1"}, "CONTROL=1 needs DESIGN=independent"),
        ({"DESIGN": "paired"}, "DESIGN=paired: expected independent or nested"),
        ({"CONTROL": "yes"}, "CONTROL=yes: expected 1 or nothing"),
        ({"MODELS": "a/x b/x"}, "two folders of one name"),
        ({"MODELS": "gone/model"}, "gone/model: its card.json names no modality"),
    ],
)
def test_settings_that_make_no_sense_are_refused_before_any_work(settings, words, tmp_path):
    assert words in make(tmp_path / "out", fails=True, **settings)
    assert not (tmp_path / "out").exists()
