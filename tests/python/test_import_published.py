"""scripts/import-published turns files in the published format into records that the real filters score.

    SHOTLINE_BIN=target/release python3 -m pytest tests/python/test_import_published.py

The files are written from drawn prompts and answers of all sorts, and from facts about the published files
(tests/fixtures/published). If SHOTLINE_PUBLISHED=DIR is set, every cell of the published results in DIR is also
compared with the figures in its own file.
"""

import csv
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import jsonschema
import published
import pytest
from published import BIN, MODALITIES, REPLAYED, SORTS, document_of, prompts_of

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "import-published"
FIXTURES = ROOT / "tests" / "fixtures" / "published"
SCHEMA = json.loads((ROOT / "schemas" / "prediction.schema.json").read_text())
TRIALS, SEED = 3, 11


def lines_of(text: bytes) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def filtered(*command, text: bytes = b"") -> bytes:
    return subprocess.run([str(part) for part in command], input=text, capture_output=True, check=True).stdout


def write(path: Path, document: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def imported(*paths, fails: bool = False) -> bytes:
    command = [sys.executable, SCRIPT, "--bin", BIN, *paths]
    done = subprocess.run([str(part) for part in command], capture_output=True, check=False)
    assert done.returncode == int(fails), done.stderr.decode()
    assert b"Traceback" not in done.stderr
    return done.stderr if fails else done.stdout


@pytest.mark.parametrize("modality", MODALITIES)
def test_every_modality_becomes_records_of_the_schema(modality, tmp_path):
    document = document_of(modality)
    rows = lines_of(imported(write(tmp_path / "cell.json", document)))
    validator = jsonschema.Draft202012Validator(SCHEMA)
    for row in rows:
        validator.validate(row)
    assert len(rows) == len({row["trial_id"] for row in rows}) == 100 * TRIALS
    functions = [(".".join(task["program"]), trial) for task in document["tasks"] for trial in task["trials"]]
    for row, (function, trial) in zip(rows, functions, strict=True):
        assert row["function"] == function
        assert row["output"] == trial["prediction_raw"]
        assert row["prediction"] == trial["prediction"]
        symbols = {row["zero"]: "0", row["one"]: "1"}
        assert row["query"] == "".join(symbols[symbol] for symbol in trial["query"])
        assert row["target"] == trial["expected"]
        assert ("inputs" in row) is (modality in REPLAYED)
    assert {(row["modality"], row["encoding"]) for row in rows} == {(modality, modality)}
    assert rows[0]["params"] == 7e9
    assert rows[0]["constrained"] is (modality in ("protein", "image", "time-series", "music"))


def test_a_model_is_named_without_its_owner_and_has_its_size(tmp_path):
    for name, model, params in [
        ("models/ProGen2-xlarge-bf16", "ProGen2-xlarge-bf16", 6.4e9),
        ("N8Programs/imagegpt-small-bf16", "imagegpt-small-bf16", 76e6),
        ("google/timesfm-2.5-200m-transformers", "timesfm-2.5-200m-transformers", 200e6),
        # One checkpoint has these two names.
        ("Chess-50M-bf16", "karvonen-chessgpt-50m-mlx-bf16", 50e6),
        ("N8Programs/karvonen-chessgpt-50m-mlx-bf16", "karvonen-chessgpt-50m-mlx-bf16", 50e6),
        ("mine/unsized", "unsized", None),
    ]:
        row = lines_of(imported(write(tmp_path / "cell.json", document_of("image", model=name))))[0]
        assert (row["model"], row["params"]) == (model, params)


def published_cell(cell: dict, functions: list[dict]) -> dict:
    """A published cell, rebuilt from the facts in the fixtures."""
    slim = cell["backend"] in published.BACKENDS.values()
    modalities = {"qwen3": "linguistic", "evo2": "genomic", "nextterm": "integer", "progen2": "protein"}
    shots, seed = int(cell["shots"]), int(cell["seed"])
    prompts = [] if slim else prompts_of(modalities[cell["key"]], shots, cell["condition"], 8, seed)
    drawn = {(prompt["function"], prompt["trial"]): prompt for prompt in prompts}
    tasks = []
    for row in functions:
        trials = []
        for number, told in enumerate(row[f"{cell['key']} {cell['condition']}"].split()):
            *asked, prediction = (f"{int(value, 16):b}"[1:] for value in told.split(":"))
            if slim:
                (query, expected), prompt = asked, ""
            else:
                replay = drawn[row["function"], number]
                query, expected, prompt = "", replay["target"], replay["prompt"]
            trials.append({"prompt": prompt, "query": query, "expected": expected, "prediction_raw": "",
                           "prediction": prediction, "correct": prediction == expected})  # fmt: skip
        tasks.append({"program": row["function"].split("."), "trials": trials})
    config = {"model": cell["model"], "in_context_examples": shots, "trials_per_program": 8, "seed": seed,
              "bit_length": int(cell["bits"]), "backend": cell["backend"],
              "ablate_labels": cell["condition"] == "deranged"}  # fmt: skip
    return {"config": config, "tasks": tasks}


def close(found: object, published: str):
    assert float(found) == pytest.approx(float(published), rel=0, abs=1e-9)


def test_the_published_figures_of_all_eight_keys_are_met(tmp_path):
    functions = list(csv.DictReader((FIXTURES / "trials.csv").open()))
    cells = list(csv.DictReader((FIXTURES / "cells.csv").open()))
    assert len(cells) == 16 and len(functions) == 100
    for cell in cells:
        path = write(tmp_path / cell["key"] / cell["condition"] / "cell.json", published_cell(cell, functions))
        rows = imported(path)
        (score,) = lines_of(filtered(BIN / "score", "--quiet", "--to", "jsonl", text=rows))
        assert score["condition"] == cell["condition"]
        for column in ("accuracy", "task_se", "edit_distance"):
            close(score[column], cell[column])
    for clean in cells[::2]:
        rows = imported(tmp_path / clean["key"])
        (contrast,) = lines_of(filtered(BIN / "contrast", "--quiet", "--to", "jsonl", text=rows))
        close(contrast["gap"], clean["gap"])


@pytest.mark.skipif("SHOTLINE_PUBLISHED" not in os.environ, reason="SHOTLINE_PUBLISHED: a folder of published results")
def test_every_cell_of_published_results_is_as_its_file_says():
    names = {"accuracy": "mean_accuracy", "task_se": "stderr", "edit_distance": "mean_edit_distance"}
    for path in sorted(Path(os.environ["SHOTLINE_PUBLISHED"]).rglob("*.json")):
        if (overall := json.loads(path.read_text()).get("overall")) is None:
            continue
        (score,) = lines_of(filtered(BIN / "score", "--quiet", "--to", "jsonl", text=imported(path)))
        for column, name in names.items():
            close(score[column], overall[name])


def archive_of(folder: Path, path: Path, how: str) -> Path:
    with tarfile.open(path, how) as archive:
        archive.add(folder, "results_128")
    return path


def test_an_archive_holds_what_its_folder_does(tmp_path):
    runs = [("evo2", "evo2_40b", "genomic", [1, 2]), ("musicroll", "Musicroll-50M", "music", [1, 2])]
    for name, document in published.files_of(2, runs):
        write(tmp_path / "raw" / name, document)
    rows = sorted(imported(tmp_path / "raw").splitlines())
    assert len(rows) == (4 + 3) * 200
    for name, how in [("a.tar.gz", "w:gz"), ("a.tar", "w")]:
        packed = archive_of(tmp_path / "raw", tmp_path / name, how)
        assert sorted(imported(packed).splitlines()) == rows
    # An archive that is cut off in the middle.
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes((tmp_path / "a.tar.gz").read_bytes()[:-2000])
    assert b"cut.tar.gz: not a whole archive" in imported(cut, fails=True)
    (tmp_path / "words.tgz").write_text("no archive")
    assert b"words.tgz: not a whole archive" in imported(tmp_path / "words.tgz", fails=True)
    nothing = archive_of(write(tmp_path / "none" / "a.csv", 1).parent, tmp_path / "none.tar", "w")
    assert b"none.tar: no *.json in it" in imported(nothing, fails=True)
    write(tmp_path / "bad" / "b.json", broken(lambda d: d["config"].update(seed=12)))
    bad = archive_of(tmp_path / "bad", tmp_path / "bad.tar", "w")
    assert b"bad.tar: results_128/b.json: identity, trial 0: prompt" in imported(bad, fails=True)


def test_records_go_through_score_with_their_baseline(tmp_path):
    write(tmp_path / "raw" / "a.json", document_of("genomic"))
    write(tmp_path / "raw" / "deep" / "b.json", document_of("genomic", condition="deranged"))
    write(tmp_path / "raw" / "summary.json", {"overall": 1})
    rows = imported(tmp_path / "raw")
    scores = {s["condition"]: s for s in lines_of(filtered(BIN / "score", "--to", "jsonl", text=rows))}
    assert scores.keys() == {"clean", "deranged"}
    for score in scores.values():
        assert score["trials"] == 100 * TRIALS
        assert score["accuracy"] == pytest.approx(1 / SORTS)
        assert score["malformed"] == pytest.approx(3 / SORTS)
        # This score needs the demonstrations, which come from the replay.
        assert 0.1 < score["mode_accuracy"] < 0.3
    assert scores["clean"]["understandable"] is not None


def test_trials_pair_with_ones_own_on_the_replayed_prompts(tmp_path):
    rows = lines_of(imported(write(tmp_path / "cell.json", document_of("linguistic"))))
    assert [row["trial_id"] for row in rows] == [p["trial_id"] for p in prompts_of("linguistic", 2, "clean", TRIALS, SEED)]


def broken(change, modality: str = "genomic") -> dict:
    document = document_of(modality)
    change(document)
    return document


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["tasks"][0]["trials"][0].update(prompt="ACGT"), "identity, trial 0: prompt 'ACGT'"),
        (lambda d: d["config"].update(seed=12), "of seed 12"),
        (lambda d: d["tasks"][1]["trials"][2].update(correct="yes"), "trial 2: correct is yes"),
        (lambda d: d["tasks"][1]["trials"][2].update(prediction="0x"), "prediction '0x', expected at most 16 bits"),
        (lambda d: d["tasks"][1]["trials"][2].update(expected="0"), "but the function gives"),
        (lambda d: d["tasks"][2]["trials"].pop(), "2 trials, expected 3"),
        (lambda d: d["tasks"][2]["trials"][0].pop("prediction"), "'prediction' is missing"),
        (lambda d: d["tasks"][3].update(program=["unheard_of"]), "one of the 100 published functions"),
        (lambda d: d["config"].update(bit_length=5), "bit_length 5, expected 8"),
        (lambda d: d["config"].pop("model"), "config: expected model"),
        (lambda d: d.update(config=[]), "expected the JSON of a cell"),
        (lambda d: d["tasks"][0]["trials"][0].update(prompt="\u266b\u266b"), "expected one of the alphabets"),
        (lambda d: d.pop("tasks"), "expected the JSON of a cell"),
    ],
)
def test_what_cannot_be_is_refused_by_its_place(change, words, tmp_path):
    message = imported(write(tmp_path / "cell.json", broken(change)), fails=True).decode()
    assert "cell.json" in message and words in message
    assert len(message.splitlines()) == 1


def test_torn_and_missing_files_are_named(tmp_path):
    torn = tmp_path / "torn.json"
    torn.write_text('{"config": {')
    assert b"torn.json: not JSON" in imported(torn, fails=True)
    torn.write_text("version https://git-lfs.github.com/spec/v1\n")
    assert b"torn.json: a git-lfs pointer, not the file itself: run `git lfs pull`" in imported(torn, fails=True)
    assert b"gone.json: no such file" in imported(tmp_path / "gone.json", fails=True)
    (tmp_path / "empty").mkdir()
    assert b"no *.json" in imported(tmp_path / "empty", fails=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["tasks"][0]["trials"][1].update(query="ACGTACGT"), "trial 1: query 'ACGTACGT', expected 8 bits"),
        (lambda d: d["tasks"][0]["trials"][1].update(expected="0101"), "trial 1: expected '0101', expected 8 bits"),
        (lambda d: d["tasks"][1]["trials"][2].update(correct="yes"), "trial 2: correct is yes"),
        (lambda d: d["tasks"][2]["trials"].pop(), "2 trials, expected 3"),
        (lambda d: d["config"].update(backend="mnist"), "or the backend imagegpt, timesfm, music, chess"),
    ],
)
def test_a_slim_cell_that_does_not_say_its_bits_is_refused(change, words, tmp_path):
    message = imported(write(tmp_path / "cell.json", broken(change, "image")), fails=True).decode()
    assert "cell.json" in message and words in message
    assert len(message.splitlines()) == 1


def test_a_reader_that_leaves_is_no_failure(tmp_path):
    path = write(tmp_path / "cell.json", document_of("genomic", shots=8))
    command = f"'{sys.executable}' '{SCRIPT}' --bin '{BIN}' '{path}' | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, check=False)
    assert done.returncode == 0 and done.stderr == b""
    assert len(done.stdout.splitlines()) == 1
