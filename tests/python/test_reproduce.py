"""`make reproduce`: the whole protocol on a tiny model and a baseline; interrupted, resumed, and with other settings.

    SHOTLINE_BIN=target/release python3 -m pytest tests/python/test_reproduce.py

Needs the built filters and `make runtime`.
"""

import fcntl
import json
import subprocess
from pathlib import Path

import pytest
from filters import BIN, ENVIRONMENT, rows, said

ROOT = Path(__file__).resolve().parents[2]
TINY = "tests/fixtures/models/tiny-subset"
SETTINGS = {"TRIALS": "2", "SHOTS": "1,2,4", "BASELINES": "mode", "MODELS": f"{TINY} builtin:nearest"}


def command(out: Path, **settings: str) -> list[str]:
    words = [f"{name}={value}" for name, value in {**SETTINGS, **settings}.items()]
    return ["make", "-f", "scripts/reproduce.mk", f"BIN={BIN}", f"OUT={out}", *words]


def make(out: Path, fails: bool = False, **settings: str) -> str:
    return said(command(out, **settings), fails)


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
    # The report has the exact commands, from the first filter on.
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


def records(path: Path) -> bytes:
    """A file's records as JSON lines. The shard check does not apply to whole files, so it is switched off."""
    command = [BIN / "merge-shards", "--allow-unchecked", path, "--to", "jsonl"]
    return subprocess.run(command, capture_output=True, check=True).stdout


def test_a_run_in_shards_gives_what_an_uncut_one_gives(tmp_path_factory):
    # Shards have other batches, and other batches round differently. So every prompt is read alone here, and no answers
    # are decoded together.
    settings = {"CONTROL": "1", "INFER_FLAGS": "--batch-tokens 1 --complete none"}
    uncut, out = tmp_path_factory.mktemp("uncut"), tmp_path_factory.mktemp("cut")
    make(uncut, **settings)
    make(out, **settings, SHARDS="3")
    cut = sorted(path.name for path in (out / "predictions").glob("*.parquet"))
    assert cut == sorted(path.name for path in (uncut / "predictions").glob("*.parquet"))
    for name in cut:
        assert records(out / "predictions" / name) == records(uncut / "predictions" / name), name
    for table in ("scores", "tasks", "fits", "contrasts"):
        assert (out / f"{table}.csv").read_bytes() == (uncut / f"{table}.csv").read_bytes()
    # Two models, five cells, three shards. Baselines are fast and not split.
    shards = sorted((out / "shards").glob("*.parquet"))
    assert len(shards) == 2 * 5 * 3
    # Existing results stay, with other shards, without shards, and without the shards that made them.
    before = times(out)
    for count in ("3", "7", "1"):
        make(out, **settings, SHARDS=count)
        assert times(out) == before
    for shard in shards:
        shard.unlink()
    make(out, **settings, SHARDS="3")
    assert not list((out / "shards").glob("*.parquet"))
    # Only a missing shard is made again.
    whole = out / "predictions" / "tiny-subset.clean.n2.parquet"
    whole.unlink()
    make(out, **settings, SHARDS="3")
    assert len(list((out / "shards").glob("*.parquet"))) == 3
    assert records(whole) == records(uncut / "predictions" / whole.name)


@pytest.mark.parametrize("cluster", ["", "slurm"])
@pytest.mark.parametrize("names", [("a model", "a model"), (None, "b")])
def test_two_models_of_one_name_are_refused_before_any_work(names, cluster, tmp_path):
    # A model without a name on its card is named after its folder. For a link, that is the target folder.
    folders = [tmp_path / "one" / "b", tmp_path / "two" / "c"]
    for folder, name in zip(folders, names, strict=True):
        folder.mkdir(parents=True)
        card = {"modality": "linguistic"} | ({"name": name} if name else {})
        (folder / "card.json").write_text(json.dumps(card))
    link = tmp_path / "link"
    link.symlink_to(folders[0])
    said = make(tmp_path / "out", fails=True, MODELS=f"{link} {folders[1]}", CLUSTER=cluster)
    assert "two of one name in records (" in said
    assert not (tmp_path / "out").exists()


def test_an_alphabet_of_words_goes_through(tmp_path):
    make(tmp_path, MODELS="builtin:nearest", ALPHABET="words:AAA,CCC,GGG", SHARDS="2")
    table = rows(tmp_path / "scores.csv")
    assert {row["model"] for row in table} == {"builtin:nearest", "builtin:mode"}
    assert {row["encoding"] for row in table} == {"words:AAA,CCC,GGG"}
    assert (tmp_path / "prompts" / "words-AAA,CCC,GGG.clean.n2.arrow").is_file()


def test_a_second_run_in_the_same_folder_waits_for_the_first(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with (out / ".lock").open("w") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        second = subprocess.Popen(command(out, SHOTS="1,2"), cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)  # fmt: skip
        assert f"{out}: another run is at work there; this one waits" in second.stderr.readline()
        assert [path.name for path in out.iterdir()] == [".lock"]
    assert second.wait() == 0, second.communicate()
    second.communicate()
    assert (out / "report.html").exists()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"MODELS": ""}, "MODELS is empty"),
        ({"DESIGN": "nested", "CONTROL": "1"}, "CONTROL=1 needs DESIGN=independent"),
        ({"DESIGN": "paired"}, "DESIGN=paired: expected independent or nested"),
        ({"CONTROL": "yes"}, "CONTROL=yes: expected 1 or nothing"),
        ({"MODELS": "a/x b/x"}, "two folders of one name"),
        ({"MODELS": "gone/model"}, "MODELS: gone/model: no such folder"),
        ({"MODELS": "tests/fixtures/models/tiny-hf"}, "tiny-hf: its card.json names no modality"),
        ({"MODELS": f"{TINY} my model"}, "MODELS: my: no such folder; a path with spaces cannot be given: make a link"),
        ({"SUITE": "my suite.txt"}, "SUITE=my suite.txt: a path with spaces cannot be given"),
        ({"BIN": "my bin"}, "BIN=my bin: a path with spaces cannot be given"),
        ({"SHARDS": "0"}, "SHARDS=0: expected a whole number from 1 on"),
        ({"SHARDS": "some"}, "SHARDS=some: expected a whole number from 1 on"),
        ({"INFER_FLAGS": "--name same"}, "--name would give every model and baseline one name"),
        ({"CLUSTER": "pbs"}, "CLUSTER=pbs: expected slurm or nothing"),
    ],
)
def test_settings_that_make_no_sense_are_refused_before_any_work(settings, words, tmp_path):
    assert words in make(tmp_path / "out", fails=True, **settings)
    assert not (tmp_path / "out").exists()


def test_a_path_with_spaces_goes_by_a_link(tmp_path):
    """In MODELS such a path would be two words, in OUT two folders."""
    assert "OUT=" in make(tmp_path / "my out", fails=True)
    assert not list(tmp_path.iterdir())
    (tmp_path / "my model").symlink_to(ROOT / TINY)
    (tmp_path / "link").symlink_to(tmp_path / "my model")
    make(tmp_path / "out", MODELS=str(tmp_path / "link"), SHOTS="1,2")
    assert (tmp_path / "out" / "report.html").exists()
