"""scripts/import-published: files in the published format become records that the real filters score.

    SHOTLINE_BIN=target/release python3 -m pytest tests/python/test_import_published.py

The files are written here, from the replayed prompts and answers of every sort.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "import-published"
BIN = Path(os.environ.get("SHOTLINE_BIN", ROOT / "target" / "release")).resolve()
SCHEMA = json.loads((ROOT / "schemas" / "prediction.schema.json").read_text())
TRIALS, SEED = 3, 11
# Right, short, foreign symbols at once, foreign symbols dropped, wrong.
ANSWERS = 5


def lines_of(text: bytes) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def filtered(*command, text: bytes = b"") -> bytes:
    return subprocess.run([str(part) for part in command], input=text, capture_output=True, check=True).stdout


def prompts_of(alphabet: str, shots: int, condition: str) -> list[dict]:
    trials = filtered(BIN / "gen-tasks", "--replay", "breslow2026", "--alphabet", alphabet, "--shots", shots,
                      "--trials", TRIALS, "--seed", SEED, "--condition", condition)  # fmt: skip
    return lines_of(filtered(BIN / "encode", text=trials))


def answer(prompt: dict, sort: int) -> tuple[str, str]:
    """Raw symbols and decoded bits of an answer of that sort."""
    target, right = prompt["target"], prompt["answer"]
    flipped = target[:-1] + "10"[int(target[-1])]
    symbols = {"0": prompt["zero"], "1": prompt["one"]}
    return [
        (right, target),
        (right[:5] + "!" + right[6:], target[:5]),
        ("\n<|end|>", ""),
        (right[:3] + "?é" + right[5:], target[:3] + target[5:]),
        ("".join(symbols[bit] for bit in flipped), flipped),
    ][sort]


def document_of(alphabet: str, shots: int = 2, condition: str = "clean", model: str = "evo2_7b") -> dict:
    """A cell in the published format."""
    tasks: dict[str, list[dict]] = {}
    for number, prompt in enumerate(prompts_of(alphabet, shots, condition)):
        raw, prediction = answer(prompt, number % ANSWERS)
        symbols = {"0": prompt["zero"], "1": prompt["one"]}
        tasks.setdefault(prompt["function"], []).append({
            "prompt": prompt["prompt"], "query": "".join(symbols[bit] for bit in prompt["query"]),
            "expected": prompt["target"], "prediction_raw": raw, "prediction": prediction,
            "correct": prediction == prompt["target"], "edit_distance": 0,
        })  # fmt: skip
    return {
        "config": {"model": model, "in_context_examples": shots, "trials_per_program": TRIALS, "bit_length": 8,
                   "seed": SEED, "ablate_labels": condition == "deranged"},
        "overall": {},
        "tasks": [{"index": i, "program": name.split("."), "trials": trials, "accuracy": 0}
                  for i, (name, trials) in enumerate(tasks.items())],
    }  # fmt: skip


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


@pytest.mark.parametrize("alphabet", ["genomic", "linguistic", "integer", "protein"])
def test_every_alphabet_becomes_records_of_the_schema(alphabet, tmp_path):
    document = document_of(alphabet)
    rows = lines_of(imported(write(tmp_path / "cell.json", document)))
    validator = jsonschema.Draft202012Validator(SCHEMA)
    for row in rows:
        validator.validate(row)
    assert len(rows) == 100 * TRIALS
    trials = [trial for task in document["tasks"] for trial in task["trials"]]
    for row, trial in zip(rows, trials, strict=True):
        assert row["output"] == trial["prediction_raw"]
        assert row["prediction"] == trial["prediction"]
        symbols = {row["zero"]: "0", row["one"]: "1"}
        assert row["query"] == "".join(symbols[symbol] for symbol in trial["query"])
    assert {row["modality"] for row in rows} == {alphabet}
    assert rows[0]["params"] == 7e9
    assert rows[0]["constrained"] is (alphabet == "protein")


def test_records_go_through_score_with_their_baseline(tmp_path):
    write(tmp_path / "raw" / "a.json", document_of("genomic"))
    write(tmp_path / "raw" / "deep" / "b.json", document_of("genomic", condition="deranged"))
    write(tmp_path / "raw" / "summary.json", {"overall": 1})
    rows = imported(tmp_path / "raw")
    scores = {s["condition"]: s for s in lines_of(filtered(BIN / "score", "--to", "jsonl", text=rows))}
    assert scores.keys() == {"clean", "deranged"}
    for score in scores.values():
        assert score["trials"] == 100 * TRIALS
        assert score["accuracy"] == pytest.approx(1 / ANSWERS)
        assert score["malformed"] == pytest.approx(3 / ANSWERS)
        # It needs the demonstrations, which the replay gave.
        assert 0.1 < score["mode_accuracy"] < 0.3
    assert scores["clean"]["understandable"] is not None


def test_trials_pair_with_ones_own_on_the_replayed_prompts(tmp_path):
    rows = lines_of(imported(write(tmp_path / "cell.json", document_of("linguistic"))))
    assert [row["trial_id"] for row in rows] == [p["trial_id"] for p in prompts_of("linguistic", 2, "clean")]


def broken(change) -> dict:
    document = document_of("genomic")
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


def test_cells_of_other_alphabets_can_be_left_out(tmp_path):
    write(tmp_path / "a.json", broken(lambda d: d["tasks"][0]["trials"][0].update(prompt="notes")))
    write(tmp_path / "b.json", document_of("integer"))
    assert len(lines_of(imported("--skip-other", tmp_path))) == 100 * TRIALS


def test_a_reader_that_leaves_is_no_failure(tmp_path):
    path = write(tmp_path / "cell.json", document_of("genomic", shots=8))
    command = f"'{sys.executable}' '{SCRIPT}' --bin '{BIN}' '{path}' | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, check=False)
    assert done.returncode == 0 and done.stderr == b""
    assert len(done.stdout.splitlines()) == 1
