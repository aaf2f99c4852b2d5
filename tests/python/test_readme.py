"""README's pipelines, and behind them those of docs/questions.md, run as they stand, in a shell where `make build` was run,
and keep their provenance.

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
# What is not here: results of others, one's own models, engines, tools.
FOREIGN = ("models/mine", "exec:", "raw/", "| jq")


def commands() -> list[str]:
    """The commands of the filters in the order in which they stand, each with the lines that go on with it."""
    pages = [(ROOT / page).read_text() for page in ("README.md", "docs/questions.md")]
    text = "".join(pages).replace("\\\n      ", "")
    filters = "export|gen-tasks|encode|infer|score|fit-loglinear|contrast|figure"
    found = re.findall(rf"^    ((?:{filters}) .*)$", text, re.MULTILINE)
    return [line for line in found if not any(word in line for word in FOREIGN)]


def test_the_pipelines_run_and_keep_their_provenance(tmp_path):
    # The folder after `make build`, with a model in the place of one to fetch; it reads 512 tokens.
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
