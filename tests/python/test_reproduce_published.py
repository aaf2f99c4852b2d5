"""`make reproduce-published`: all tables of the follow-up, from a few results in the published layout.

    SHOTLINE_BIN=target/release python3 -m pytest tests/python/test_reproduce_published.py
"""

import json
from pathlib import Path

import pytest
from filters import BIN, rows, said
from published import RUNS, files_of

SHOTS = [1, 2, 4]
# The whole layout, except some sizes of Qwen3 and ProGen2.
FEW = [(folder, model, modality, SHOTS) for folder, model, modality, _ in RUNS
       if not folder.endswith(("_1_7b", "_8b", "_medium", "_xlarge"))]  # fmt: skip


def make(raw: Path, out: Path, fails: bool = False) -> str:
    return said(["make", "-f", "scripts/reproduce-published.mk", f"BIN={BIN}", f"DIR={raw}", f"OUT={out}"], fails)


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    for name, document in files_of(2, FEW):
        path = folder / "raw" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document))
    make(folder / "raw", folder / "out")
    return folder


def models(*folders: str) -> set[str]:
    return {Path(model).name for folder, model, _, _ in FEW if folder.startswith(folders)}


def test_every_table_has_its_models(reproduced):
    out = reproduced / "out"
    sizes = models("qwen3_", "evo2_", "nextterm_", "imagegpt_", "progen2_")
    controls = models("chessgpt", "musicroll")
    canonical = models("") - sizes - controls
    assert len(canonical) == 6
    assert {s["model"] for s in rows(out / "scores.csv")} == canonical | sizes | controls
    assert all(s["trials"] == "200" for s in rows(out / "scores.csv"))
    contrasts = rows(out / "contrasts.csv")
    assert {c["model"] for c in contrasts} == canonical
    # Holm's correction covers the six models, each at its largest shot count, and no others.
    assert {(c["model"], c["shots"]) for c in contrasts if c["p_holm"]} == {(model, "4") for model in canonical}
    assert {c["model"] for c in rows(out / "contrasts-sizes.csv")} == sizes
    assert {c["model"] for c in rows(out / "contrasts-controls.csv")} == controls
    assert len(rows(out / "profiles.csv")) == 15
    assert {f["condition"] for f in rows(out / "fits.csv")} == {"clean"}
    figures = {path.stem for path in (out / "figures").iterdir()}
    assert {"curve", "families", "size", "gap-size", "coefficients", "contrast", "tasks", "similarity"} <= figures
    assert "<svg" in (out / "report.html").read_text()


def test_a_model_s_gap_is_taken_where_it_is_best(reproduced):
    out = reproduced / "out"
    scale = {row["model"]: row for row in rows(out / "scale.csv")}
    sizes = [(row["modality"], float(row["params"])) for row in scale.values()]
    assert sizes == sorted(sizes)
    effects = rows(out / "contrasts.csv") + rows(out / "contrasts-sizes.csv")
    assert scale.keys() == {c["model"] for c in effects}
    for model, row in scale.items():
        best = max(float(c["clean_accuracy"]) for c in effects if c["model"] == model)
        assert float(row["clean_accuracy"]) == best
        assert any(c["gap"] == row["gap"] and c["shots"] == row["shots"] for c in effects if c["model"] == model)
    scaling = {(r["family"], r["quantity"], r["shots"]): r for r in rows(out / "scaling.csv")}
    gaps = {(r["family"], r["quantity"], r["shots"]): r for r in rows(out / "gap-scaling.csv")}
    several = {"linguistic": "3", "genomic": "3", "integer": "2", "image": "2", "protein": "3"}
    assert {family for family, _, _ in scaling} == {family for family, _, _ in gaps} == set(several)
    for family, number in several.items():
        assert scaling[family, "accuracy", "4"]["models"] == number
        assert gaps[family, "gap", "4"]["models"] == number
        assert (family, "gap", "1") not in gaps


def test_a_second_run_makes_nothing_anew(reproduced):
    out = reproduced / "out"
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    make(reproduced / "raw", out)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()} == before


def test_a_folder_without_results_is_refused_in_one_line(tmp_path):
    for folder, words in [(tmp_path, "no clean/*.json of qwen3"), (tmp_path / "gone", "expected the folder of")]:
        message = make(folder, tmp_path / "out", fails=True)
        assert words in message and len(message.splitlines()) == 1
        assert not (tmp_path / "out").exists()
