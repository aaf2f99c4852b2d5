"""The stage of the GPU kit that needs transformers: its dry run with a tiny model on the processor.

    make test-oracle

The other stages' dry runs are in tests/cuda/test_kit.py.
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
    # The processor computes in float32; it is transformers' own bfloat16 that is off.
    assert rows["logits float32"]["off_by"] < 1e-5 < rows["logits bfloat16"]["transformers_off_by"]
    assert rows["answers"]["different"] == 0
