"""Runs the pipelines of README, then those of docs/questions.md, unchanged, in a shell as after `make build`. Checks
that they keep their provenance.

    SHOTLINE_BIN=target/release python3 -m pytest tests/python/test_readme.py
"""

import os
import re
import subprocess
from pathlib import Path

import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("SHOTLINE_BIN", ROOT / "target" / "release")).resolve()
MODEL = ROOT / "tests" / "fixtures" / "models" / "tiny-subset"
# Commands that are not run: they need results of others, the user's own models, engines or tools.
FOREIGN = ("models/mine", "exec:", "raw/", "| jq")


def commands() -> list[str]:
    """The filter commands in the order of the pages, each joined with its continuation lines."""
    pages = [(ROOT / page).read_text() for page in ("README.md", "docs/questions.md")]
    text = "".join(pages).replace("\\\n      ", "")
    filters = "export|gen-tasks|encode|infer|score|fit-loglinear|contrast|figure"
    found = re.findall(rf"^    ((?:{filters}) .*)$", text, re.MULTILINE)
    return [line for line in found if not any(word in line for word in FOREIGN)]


def test_the_pipelines_run_and_keep_their_provenance(tmp_path):
    # The folder as after `make build`. A small model that reads 512 tokens replaces one that would be fetched.
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "release").symlink_to(BIN)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "gemma3-270m").symlink_to(MODEL)
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    script = "\n".join(commands()).replace("1,2,4,8,16,32", "1,2,4,8,16")
    assert script.count("\n") >= 18
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "SHOTLINE_ORT_LIB": str(ROOT / "runtime")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for name in ("predictions", "a", "b"):
        table = pq.read_schema(tmp_path / f"{name}.parquet").metadata[b"shotline.provenance"].decode()
        assert re.findall(r'"program":"([^"]*)"', table) == ["gen-tasks", "encode", "infer"], table
