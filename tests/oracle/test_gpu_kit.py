"""Test the stage of the GPU kit that needs transformers, in a dry run with a tiny model on the CPU.

    make test-oracle

tests/cuda/test_kit.py tests dry runs of the other stages.
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_logits_answers_and_speed_beside_transformers(tmp_path):
    results = tmp_path / "results.jsonl"
    command = [sys.executable, ROOT / "scripts" / "gpu-kit" / "check.py", "--dry-run", "--device", "cpu"]
    command += ["--only", "qwen3-0.6b", "--results", results, "--work", tmp_path / "work"]
    subprocess.run(list(map(str, command)), check=True)
    rows = {row["name"]: row for row in map(json.loads, results.read_text().splitlines())}
    assert {row["status"] for row in rows.values()} == {"ok"}
    assert {"logits float32", "logits bfloat16", "answers", "transformers prefill", "transformers curve"} <= set(rows)
    # The CPU computes in float32, so the logits of `infer` are right. transformers' logits in bfloat16 are off.
    assert rows["logits float32"]["off_by"] < 1e-5 < rows["logits bfloat16"]["transformers_off_by"]
    assert rows["answers"]["different"] == 0
