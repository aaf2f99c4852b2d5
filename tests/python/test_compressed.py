"""Shotline reads compressed files of other tools, and other tools read its compressed files.

    SHOTLINE_BIN=target/release python3 -m pytest tests/python/test_compressed.py

Needs scripts/requirements/test.txt, and the built filters in the folder SHOTLINE_BIN. Feather is Arrow's file format;
its buffers are compressed with lz4 by default.
"""

import gzip
import io
import json

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc
import pytest
from test_parquet import rows_of, run


@pytest.fixture(scope="module")
def predictions() -> bytes:
    trials = run("gen-tasks", *"--task rotl1 --task majority --shots 2,5 --trials 200".split())
    prompts = run("encode", "--alphabet", "genomic", text=trials)
    return run("infer", "--model", "builtin:nearest", text=prompts)


@pytest.fixture(scope="module")
def expected(predictions) -> bytes:
    return run("score", "--replicates", "50", text=predictions)


def by_pandas(records, path):
    pd.DataFrame(records).to_feather(path)


def by_pandas_with_zstd(records, path):
    pd.DataFrame(records).to_feather(path, compression="zstd")


def by_polars_with(compression):
    def write(records, path):
        pl.DataFrame(records, infer_schema_length=None).write_ipc(path, compression=compression)

    return write


def by_pyarrow_stream_with(compression):
    def write(records, path):
        table = pa.Table.from_pylist(records)
        options = pa.ipc.IpcWriteOptions(compression=compression)
        with pa.ipc.new_stream(path, table.schema, options=options) as writer:
            writer.write_table(table, max_chunksize=300)

    return write


FEATHERS = {
    "pandas, lz4 by default": by_pandas,
    "pandas, zstd": by_pandas_with_zstd,
    "polars, lz4": by_polars_with("lz4"),
    "polars, zstd": by_polars_with("zstd"),
    "pyarrow's stream, lz4": by_pyarrow_stream_with("lz4"),
    "pyarrow's stream, zstd": by_pyarrow_stream_with("zstd"),
}


@pytest.mark.parametrize("writer", FEATHERS)
def test_arrow_with_compressed_buffers_is_read(writer, predictions, expected, tmp_path):
    path = tmp_path / "predictions.feather"
    FEATHERS[writer](rows_of(predictions), path)
    # Check that the file is compressed: pandas and polars do not report it when they write.
    assert path.stat().st_size < len(predictions) / 3
    assert run("score", "--replicates", "50", path) == expected
    assert run("score", "--replicates", "50", text=path.read_bytes()) == expected


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_damaged_buffers_are_an_error(compression, predictions, tmp_path):
    path = tmp_path / "predictions.feather"
    pyarrow.feather.write_feather(pa.Table.from_pylist(rows_of(predictions)), path, compression=compression)
    whole = bytearray(path.read_bytes())
    for at in range(600, len(whole), len(whole) // 40):
        broken = whole.copy()
        broken[at : at + 8] = b"\xff" * 8
        path.write_bytes(broken)
        # Damage to a length or buffer is refused. Damage to padding or text may pass. Nothing may crash.
        try:
            run("score", "--replicates", "50", path)
        except AssertionError:
            assert b"predictions.feather" in run("score", "--replicates", "50", path, fails=True)
    path.write_bytes(whole[: len(whole) // 2])
    assert b"cut-off Arrow file" in run("score", path, fails=True)


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_our_compressed_lines_and_tables_in_pandas_polars_and_duckdb(suffix, predictions, tmp_path):
    records = rows_of(predictions)
    lines, table = tmp_path / f"predictions.jsonl.{suffix}", tmp_path / f"scores.csv.{suffix}"
    prompts = run("encode", "--alphabet", "genomic", text=run("gen-tasks", "--task", "rotl1", "--shots", "2"))
    run("infer", "--model", "builtin:nearest", "-o", lines, text=prompts)
    run("score", "-o", table, "--replicates", "50", text=predictions)
    bare = run("score", "--to", "csv", "--replicates", "50", text=predictions)
    answers = rows_of(run("infer", "--model", "builtin:nearest", text=prompts))

    assert pl.read_ndjson(lines)["trial_id"].to_list() == [r["trial_id"] for r in answers]
    counted = duckdb.sql(f"select count(*), sum(correct::int) from read_json('{lines}', format = 'newline_delimited')")
    assert counted.fetchall() == [(len(answers), sum(r["correct"] for r in answers))]
    assert duckdb.sql(f"select accuracy from '{table}'").fetchall() == [
        (accuracy,) for accuracy in pd.read_csv(io.BytesIO(bare))["accuracy"]
    ]
    assert pl.read_csv(table)["se"].to_list() == pd.read_csv(io.BytesIO(bare))["se"].tolist()
    if suffix == "gz":  # For zstd pandas wants one more package.
        assert pd.read_csv(table).equals(pd.read_csv(io.BytesIO(bare)))
        assert pd.read_json(lines, lines=True)["trial_id"].tolist() == [r["trial_id"] for r in answers]
        assert gzip.decompress(table.read_bytes()) == bare
    assert len(records) == 800


def test_what_pandas_and_gzip_compress_is_read(predictions, expected, tmp_path):
    path = tmp_path / "predictions.jsonl.gz"
    pd.DataFrame(rows_of(predictions)).to_json(path, orient="records", lines=True)
    assert path.read_bytes()[:2] == b"\x1f\x8b"
    assert run("score", "--replicates", "50", path) == expected
    with gzip.open(path, "wb") as file:
        file.write(predictions[:5000])
    with gzip.open(path, "ab") as file:
        file.write(predictions[5000:])
    assert run("score", "--replicates", "50", path) == expected
    scores = tmp_path / "scores.csv.gz"
    table = [{"model": "a", "shots": s, "accuracy": s / 10} for s in (1, 2, 4)]
    pd.DataFrame(table).to_csv(scores, index=False)
    fit = rows_of(run("fit-loglinear", "--to", "jsonl", scores))
    assert fit == rows_of(run("fit-loglinear", "--to", "jsonl", text="\n".join(map(json.dumps, table)).encode()))
