"""Other tools read Shotline's Parquet and Arrow files, and Shotline reads theirs.

    SHOTLINE_BIN=target/release python3 -m pytest tests/python/test_parquet.py

Needs scripts/requirements/test.txt, and the built filters in the folder SHOTLINE_BIN. Every reader is compared with
JSON lines of the same records.
"""

import io
import json
import os
import subprocess
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest

LISTS = ("inputs", "outputs")
# These columns are null in every record below.
NULLS = ("params", "answer_logprob", "margin")


def run(program: str, *arguments, text: bytes = b"", fails: bool = False) -> bytes:
    folder = os.environ.get("SHOTLINE_BIN")
    path = Path(folder or "").resolve() / program
    if not folder or not path.is_file():
        pytest.fail(f"SHOTLINE_BIN must name the folder of the built filters; {path} is not there", pytrace=False)
    done = subprocess.run([path, *map(str, arguments)], input=text, capture_output=True, check=False)
    assert (done.returncode != 0) == fails, done.stderr.decode()
    return done.stderr if fails else done.stdout


def rows_of(text: bytes) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def prompts() -> bytes:
    """Clean and deranged prompts, with and without a constant, so that nulls, lists and booleans of all sorts occur."""
    draw = "--task meta_constant --task rotl1.flip_bits --shots 2,5 --trials 3 --condition clean,deranged"
    return run("encode", "--alphabet", "genomic", text=run("gen-tasks", *draw.split()))


@pytest.fixture(scope="module")
def records(prompts) -> list[dict]:
    return rows_of(run("infer", "--model", "builtin:nearest", text=prompts))


@pytest.fixture(scope="module")
def parquet(prompts, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("ours") / "predictions.parquet"
    run("infer", "--model", "builtin:nearest", "-o", path, text=prompts)
    return path


@pytest.fixture(scope="module")
def score_records(parquet) -> list[dict]:
    return rows_of(run("score", parquet, "--to", "jsonl"))


@pytest.fixture(scope="module")
def scores(parquet) -> Path:
    path = parquet.with_name("scores.parquet")
    run("score", parquet, "-o", path)
    return path


def assert_has_all_sorts(records: list[dict]) -> None:
    """Without nulls and lists in the records, the comparisons below could not notice a lost one."""
    assert len(records) == 24
    assert {r["constant"] is None for r in records} == {True, False}
    assert {r["unchanged"] is None for r in records} == {True, False}
    assert {len(r["inputs"]) for r in records} == {2, 5}
    assert {r["correct"] for r in records} == {True, False}


def test_pyarrow_reads_predictions(records, parquet):
    assert_has_all_sorts(records)
    table = pq.read_table(parquet)
    assert table.to_pylist() == records
    types = {field.name: field.type for field in table.schema}
    assert list(types) == list(records[0])
    assert types["trial_id"] == pa.string()
    assert types["shots"] == pa.int64()
    assert types["correct"] == pa.bool_()
    assert types["answer_logprob"] == pa.float64()
    assert all(pa.types.is_list(types[name]) and types[name].value_type == pa.string() for name in LISTS)
    chain = json.loads(table.schema.metadata[b"shotline.provenance"])
    assert chain[-1]["program"] == "infer"


def test_pyarrow_reads_our_arrow_streams(prompts, records):
    stream = run("infer", "--model", "builtin:nearest", "--to", "arrow", text=prompts)
    with pa.ipc.open_stream(stream) as reader:
        table = reader.read_all()
    assert table.to_pylist() == records
    assert json.loads(table.schema.metadata[b"shotline.provenance"])[-1]["program"] == "infer"


def test_pandas_reads_predictions(records, parquet):
    frame = pd.read_parquet(parquet)
    assert frame["correct"].dtype == bool
    assert frame["shots"].dtype == "int64"
    assert frame["answer_logprob"].dtype == "float64"
    assert pd.api.types.is_string_dtype(frame["prediction"])
    assert frame["correct"].mean() == sum(r["correct"] for r in records) / len(records)
    for name in frame.columns:
        theirs = [r[name] for r in records]
        if name in LISTS:
            assert [list(cell) for cell in frame[name]] == theirs
            continue
        assert frame[name].isna().tolist() == [v is None for v in theirs], name
        assert frame[name].dropna().tolist() == [v for v in theirs if v is not None], name
    assert all(frame[name].isna().all() for name in NULLS)


def test_polars_reads_predictions(records, parquet):
    frame = pl.read_parquet(parquet)
    assert frame.to_dicts() == records
    assert frame.schema["inputs"] == pl.List(pl.String)
    assert frame.schema["shots"] == pl.Int64
    assert frame.schema["bos"] == pl.Boolean
    assert frame.schema["margin"] == pl.Float64
    assert pl.scan_parquet(parquet).filter(pl.col("correct")).collect().height == sum(r["correct"] for r in records)


def test_duckdb_reads_predictions(records, parquet):
    query = duckdb.sql(f"select * from '{parquet}'")
    assert [dict(zip(query.columns, row)) for row in query.fetchall()] == records
    types = dict(zip(query.columns, map(str, query.types)))
    assert types["inputs"] == "VARCHAR[]"
    assert types["shots"] == "BIGINT"
    assert types["correct"] == "BOOLEAN"
    assert types["params"] == "DOUBLE"
    means = duckdb.sql(f"select shots, avg(correct::int) from '{parquet}' group by shots order by shots").fetchall()
    for shots, mean in means:
        of_shots = [r["correct"] for r in records if r["shots"] == shots]
        assert mean == pytest.approx(sum(of_shots) / len(of_shots), rel=1e-15)


def test_scores_are_the_same_numbers_everywhere(score_records, scores):
    assert len(score_records) == 4
    assert any(r["z_mode"] is not None for r in score_records)
    assert pq.read_table(scores).to_pylist() == score_records
    assert pl.read_parquet(scores).to_dicts() == score_records
    query = duckdb.sql(f"select * from '{scores}'")
    assert [dict(zip(query.columns, row)) for row in query.fetchall()] == score_records
    frame = pd.read_parquet(scores)
    assert frame["accuracy"].tolist() == [r["accuracy"] for r in score_records]
    assert frame["accuracy"].dtype == "float64"
    assert frame["bitload"].isna().all()


def test_csv_of_scores_reads_back_exactly(parquet, score_records):
    text = run("score", parquet, "--to", "csv")
    frame = pd.read_csv(io.BytesIO(text))
    assert frame["se"].tolist() == [r["se"] for r in score_records]
    assert list(frame.columns) == list(score_records[0])


# The reverse: Shotline reads what the same tools write.


def as_pyarrow(records) -> pa.Table:
    return pa.Table.from_pylist(records)


def by_pandas(records, path):
    pd.DataFrame(records).to_parquet(path)


def by_polars(records, path):
    # polars writes large_utf8 and large lists.
    pl.DataFrame(records, infer_schema_length=None).write_parquet(path)


def by_duckdb(records, path):
    records_table = as_pyarrow(records)  # noqa: F841 (the query reads it)
    duckdb.sql(f"copy (select * from records_table) to '{path}' (format parquet)")


def by_pyarrow_with(change):
    def write(records, path):
        pq.write_table(change(as_pyarrow(records)), path)

    return write


def text_as(kind: pa.DataType):
    """Converts every text column, including text in lists, to another Arrow text type."""

    def change(table: pa.Table) -> pa.Table:
        def other(field: pa.Field) -> pa.Field:
            if field.type == pa.string():
                return field.with_type(kind)
            if pa.types.is_list(field.type) and not pa.types.is_dictionary(kind):
                return field.with_type(pa.list_(kind))
            return field

        return pa.table([c.cast(other(f).type) for c, f in zip(table.columns, table.schema)],
                        schema=pa.schema([other(f) for f in table.schema]))  # fmt: skip

    return change


def with_narrow_integers(table: pa.Table) -> pa.Table:
    kinds = {"bits": pa.int32(), "shots": pa.int16(), "trial": pa.uint8(), "seed": pa.uint64()}
    for name, kind in kinds.items():
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, table[name].cast(kind))
    return table


WRITERS = {
    "pandas": by_pandas,
    "polars": by_polars,
    "duckdb": by_duckdb,
    "large_utf8": by_pyarrow_with(text_as(pa.large_string())),
    "string_view": by_pyarrow_with(text_as(pa.string_view())),
    "dictionary": by_pyarrow_with(text_as(pa.dictionary(pa.int32(), pa.string()))),
    "narrow integers": by_pyarrow_with(with_narrow_integers),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_predictions_written_by_others_are_scored_alike(writer, records, score_records, tmp_path):
    path = tmp_path / "theirs.parquet"
    WRITERS[writer](records, path)
    assert rows_of(run("score", path, "--to", "jsonl")) == score_records


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())], ids=str)
def test_arrow_streams_of_other_texts_are_read(kind, records, score_records, tmp_path):
    table = text_as(kind)(as_pyarrow(records))
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=7)
    assert rows_of(run("score", "--to", "jsonl", text=sink.getvalue())) == score_records


@pytest.mark.parametrize("writer", ["pandas", "polars", "duckdb"])
def test_columns_of_others_pass_through(writer, prompts, tmp_path):
    trials = rows_of(run("gen-tasks", "--task", "rotl1", "--shots", "2,3", "--trials", "2"))
    added = [
        {**t, "batch": i, "note": None if i else "first", "weight": i / 3, "tags": ["a"] * i, "kept": i % 2 == 0}
        for i, t in enumerate(trials)
    ]
    path = tmp_path / "trials.parquet"
    WRITERS[writer](added, path)
    names = ("batch", "note", "weight", "tags", "kept")
    expected = [{name: row[name] for name in names} for row in added]

    lines = rows_of(run("encode", "--alphabet", "genomic", path))
    assert [{name: row[name] for name in names} for row in lines] == expected
    out = tmp_path / "prompts.parquet"
    run("encode", "--alphabet", "genomic", path, "-o", out)
    table = pq.read_table(out)
    assert table.select(names).to_pylist() == expected
    assert table.drop_columns(list(names)).to_pylist() == [
        {name: value for name, value in row.items() if name not in names} for row in lines
    ]
    # Pass the records once more through the next filter.
    answered = pl.read_parquet(io.BytesIO(run("infer", "--model", "builtin:copy", "--to", "parquet", out)))
    assert answered.select(names).to_dicts() == expected


def test_text_where_numbers_belong_is_refused_by_name(records, tmp_path):
    path = tmp_path / "broken.parquet"
    frame = pd.DataFrame(records)
    frame["shots"] = frame["shots"].astype(str)
    frame.to_parquet(path)
    message = run("score", path, fails=True).decode()
    assert "broken.parquet" in message and 'column "shots"' in message and "an integer" in message
