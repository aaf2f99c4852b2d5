"""Read tables from every format with `shotline.read`, and check that each format gives the same data frame.

    python frames.py tests/fixtures/records

test_wheel.py runs this script in an environment with the wheel.
"""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import polars as pl
import shotline

RECORDS = Path(sys.argv[1])
POLARS = {"string": pl.String, "integer": pl.Int64, "number": pl.Float64, "boolean": pl.Boolean}


def dtype(schema: dict) -> pl.DataType:
    [kind] = set([schema["type"]] if isinstance(schema["type"], str) else schema["type"]) - {"null"}
    return pl.List(dtype(schema["items"])) if kind == "array" else POLARS[kind]()


def held(files: list[Path], kind: str | None = None) -> pl.DataFrame:
    """Checks that all files give the same frame, in polars and in pandas. Returns the polars frame."""
    first, *others = [shotline.read(file) for file in files]
    for other, file in zip(others, files[1:]):
        assert other.schema == first.schema, (file, other.schema, first.schema)
        assert other.equals(first), file
    first_pandas, *others = [shotline.read(file, to="pandas") for file in files]
    for other in others:
        pd.testing.assert_frame_equal(other, first_pandas)
    if kind:
        columns = shotline.schemas()[kind]["properties"]
        assert first.schema == {name: dtype(columns[name]) for name in first.columns}
    return first


def main() -> None:
    kinds = [kind for kind in shotline.schemas() if kind != "provenance"]
    assert len(kinds) == 15
    for kind in kinds:
        files = sorted(RECORDS.glob(f"{kind}.1.*"))
        assert len(files) >= 3
        held(files, kind)
    whole_numbers = shotline.read(RECORDS / "score.1.csv")
    assert whole_numbers["bitload"].dtype == pl.Int64 and whole_numbers["bitload"].null_count() == len(whole_numbers)
    frame = shotline.read(RECORDS / "trial.1.jsonl")
    assert frame["inputs"].dtype == pl.List(pl.String) and frame["unchanged"].null_count() not in (0, len(frame))

    # Files with the provenance line, a compressed file, and in all of them a column that no schema has.
    infer = [shotline.filter_path("infer"), "--model", "builtin:copy", "--quiet"]
    records = [json.loads(line) | {"mine": 1.5} for line in (RECORDS / "prompt.1.jsonl").read_text().splitlines()]
    Path("prompts.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    for name in ("p.jsonl", "p.arrow", "p.parquet"):
        subprocess.run([*infer, "prompts.jsonl", "-o", name], check=True)
    told = subprocess.run([*infer, "prompts.jsonl", "--provenance"], check=True, capture_output=True).stdout
    Path("told.jsonl").write_bytes(told)
    Path("p.jsonl.gz").write_bytes(gzip.compress(told))
    assert held([Path(name) for name in ("p.jsonl", "p.arrow", "p.parquet", "told.jsonl", "p.jsonl.gz")])["mine"].sum() > 0


main()
