"""Tables from pandas, polars, DuckDB, R, Excel and Python's json: read like Shotline's own, or refused with the reason.

    SHOTLINE_BIN=target/release python3 -m pytest tests/python/test_tables.py

Needs scripts/requirements/test.txt, and the built filters in the folder SHOTLINE_BIN. Every other table must give the
same result, byte for byte, as the filter's own table.
"""

import codecs
import datetime
import decimal
import io
import json
import math
import os
import subprocess
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest

# These are null in every prediction of a baseline, so pandas reads the columns as float64.
EMPTY = ("params", "answer_logprob", "margin")


def attempt(program: str, *arguments, text: bytes = b"") -> subprocess.CompletedProcess:
    folder = os.environ.get("SHOTLINE_BIN")
    path = Path(folder or "").resolve() / program
    if not folder or not path.is_file():
        pytest.fail(f"SHOTLINE_BIN must name the folder of the built filters; {path} is not there", pytrace=False)
    return subprocess.run([path, *map(str, arguments)], input=text, capture_output=True, check=False)


def run(program: str, *arguments, text: bytes = b"") -> bytes:
    done = attempt(program, *arguments, text=text)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def refused(program: str, *arguments, text: bytes = b"", code: int = 1) -> str:
    """The one-line message of a filter for input that it does not read."""
    done = attempt(program, *arguments, text=text)
    said = done.stderr.decode()
    assert done.returncode == code and not done.stdout, said
    assert said.count("\n") == 1, said
    return said


def rows_of(text: bytes) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def lines_of(rows: list[dict]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.fixture(scope="module")
def trials() -> list[dict]:
    draw = "--task meta_constant --task rotl1 --task identity --shots 1,2,4 --trials 2 --condition clean,deranged"
    return rows_of(run("gen-tasks", *draw.split()))


@pytest.fixture(scope="module")
def prompts(trials) -> list[dict]:
    return rows_of(run("encode", "--alphabet", "genomic", text=lines_of(trials)))


@pytest.fixture(scope="module")
def predictions(prompts) -> list[dict]:
    return rows_of(run("infer", "--model", "builtin:nearest", text=lines_of(prompts)))


@pytest.fixture(scope="module")
def scores(predictions) -> list[dict]:
    return rows_of(run("score", "--to", "jsonl", text=lines_of(predictions)))


# For each table, the filter that reads it: its output shows whether it was read right.
FILTERS = {
    "trials": ("encode", "--alphabet", "genomic"),
    "prompts": ("infer", "--model", "builtin:nearest"),
    "predictions": ("score", "--to", "jsonl"),
    "scores": ("fit-loglinear", "--to", "jsonl"),
}


@pytest.fixture(params=FILTERS)
def table(request) -> tuple[list[dict], tuple]:
    """(rows, the filter that reads them)"""
    return request.getfixturevalue(request.param), FILTERS[request.param]


def expected(rows: list[dict], reader: tuple) -> bytes:
    return run(*reader, text=lines_of(rows))


# --- Parquet and Arrow ---


def arrow(rows: list[dict]) -> pa.Table:
    return pa.Table.from_pylist(rows)


def retyped(rows: list[dict], kinds) -> pa.Table:
    """The rows with the types that `kinds` gives. A field keeps its type if `kinds` gives none."""
    table = arrow(rows)
    fields = [field.with_type(kinds(field) or field.type) for field in table.schema]
    columns = [column.cast(field.type) for column, field in zip(table.columns, fields)]
    return pa.table(columns, schema=pa.schema(fields))


def numbers_as(kind: pa.DataType):
    return lambda rows: retyped(rows, lambda field: kind if pa.types.is_int64(field.type) and field.name != "seed" else None)


def texts_as(kind: pa.DataType):
    return lambda rows: retyped(rows, lambda field: kind if pa.types.is_string(field.type) else None)


def lists_as(kind):
    return lambda rows: retyped(rows, lambda field: kind(field.type.value_type) if pa.types.is_list(field.type) else None)


def flags_as_floats(rows):
    return retyped(rows, lambda field: pa.int8() if pa.types.is_boolean(field.type) else None)


def nan_for_null(rows):
    """Optional numbers as pandas stores them: NaN for a missing one."""
    frame = pd.DataFrame(rows)
    for name in frame.columns:
        if all(row[name] is None or isinstance(row[name], (int, float)) for row in rows):
            frame[name] = np.array([math.nan if row[name] is None else row[name] for row in rows], float)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    columns = [
        pa.array(frame[name].to_numpy(), from_pandas=False) if pa.types.is_floating(table.schema.field(name).type) else column
        for name, column in zip(table.column_names, table.columns)
    ]
    return pa.table(columns, names=table.column_names)


SHAPES = {
    "float64": numbers_as(pa.float64()),
    "float32": numbers_as(pa.float32()),
    "int8": numbers_as(pa.int8()),
    "uint16": numbers_as(pa.uint16()),
    "uint64": numbers_as(pa.uint64()),
    "decimal of whole numbers": numbers_as(pa.decimal128(38, 0)),
    "large text": texts_as(pa.large_string()),
    "text views": texts_as(pa.string_view()),
    **{f"dictionary of {kind}": texts_as(pa.dictionary(kind, pa.string())) for kind in (pa.int8(), pa.uint16(), pa.int64())},
    "dictionary of large text": texts_as(pa.dictionary(pa.int32(), pa.large_string())),
    "large lists": lists_as(pa.large_list),
    "lists of views": lists_as(lambda item: pa.list_(pa.string_view() if item == pa.string() else item)),
    "truth as 0 and 1": flags_as_floats,
    "NaN for null": nan_for_null,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_types_that_say_the_same(shape, table, tmp_path):
    rows, reader = table
    theirs = SHAPES[shape](rows)
    pq.write_table(theirs, tmp_path / "theirs.parquet")
    with pa.ipc.new_file(tmp_path / "theirs.arrow", theirs.schema) as writer:
        writer.write_table(theirs, max_chunksize=5)
    for name in ("theirs.parquet", "theirs.arrow"):
        assert run(*reader, tmp_path / name) == expected(rows, reader)


def test_pandas_with_nulls_and_categories(table, tmp_path):
    rows, reader = table
    frame = pd.DataFrame(rows)
    for name in frame.columns:
        if all(isinstance(row[name], str) for row in rows):
            frame[name] = frame[name].astype("category")
        elif all(row[name] is None or isinstance(row[name], bool) for row in rows):
            frame[name] = frame[name].astype("boolean")
    frame.to_parquet(tmp_path / "theirs.parquet")
    assert run(*reader, tmp_path / "theirs.parquet") == expected(rows, reader)
    # As JSON objects, where a null in the column turns integers into floats: 2.0.
    text = pd.DataFrame(rows).to_json(orient="records", lines=True, double_precision=15).encode()
    again = run(*reader, text=text)
    if reader[0] != "fit-loglinear":  # pandas writes 15 digits of a float.
        assert again == expected(rows, reader)


def test_polars_enums_categories_and_views(table, tmp_path):
    rows, reader = table
    frame = pl.DataFrame(rows, infer_schema_length=None)
    words = [name for name in frame.columns if frame.schema[name] == pl.String and frame[name].null_count() == 0]
    enums = {name: pl.Enum(frame[name].unique().sort()) for name in words[::2]}
    frame = frame.cast({**enums, **dict.fromkeys(words[1::2], pl.Categorical)})
    frame.write_parquet(tmp_path / "theirs.parquet")
    frame.write_ipc(tmp_path / "theirs.arrow")
    frame.write_ipc_stream(tmp_path / "theirs.arrows")
    for name in ("theirs.parquet", "theirs.arrow", "theirs.arrows"):
        assert run(*reader, tmp_path / name) == expected(rows, reader)


def test_duckdbs_wide_types(table, tmp_path):
    rows, reader = table
    ours = arrow(rows)  # noqa: F841 (the query reads it)
    names = [name for name in ours.column_names if pa.types.is_int64(ours.schema.field(name).type)]
    wide = ", ".join(f"{name}::hugeint as {name}" for name in names)
    decimal_ = ", ".join(f"{name}::decimal(20, 0) as {name}" for name in names)
    for columns in (wide, decimal_):
        query = duckdb.sql(f"select * replace ({columns}) from ours")
        query.write_parquet(str(tmp_path / "theirs.parquet"))
        assert run(*reader, tmp_path / "theirs.parquet") == expected(rows, reader)
        with pa.ipc.new_stream(tmp_path / "theirs.arrows", query.to_arrow_table().schema) as writer:
            writer.write_table(query.to_arrow_table())
        assert run(*reader, tmp_path / "theirs.arrows") == expected(rows, reader)


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "brotli", "lz4", "zstd"])
def test_every_codec_and_page(codec, version, table, tmp_path):
    rows, reader = table
    pq.write_table(arrow(rows), tmp_path / "theirs.parquet", compression=codec, data_page_version=version)
    assert run(*reader, tmp_path / "theirs.parquet") == expected(rows, reader)


def test_a_value_that_does_not_fit_is_named(predictions, tmp_path):
    for column, kind, values, words in [
        ("shots", pa.float64(), 1.5, "expected an integer, found 1.5"),
        ("shots", pa.float64(), math.nan, "expected an integer, found NaN"),
        ("shots", pa.string(), "four", 'expected an integer, found "four"'),
        ("trial", pa.uint64(), 2**63, "Can't cast value 9223372036854775808"),
        ("target", pa.int64(), 1010101, "expected a string, found 1010101"),
        ("correct", pa.int64(), 2, "expected true or false, found 2"),
        ("function", pa.timestamp("s"), datetime.datetime(2026, 1, 2), "expected a string, found Timestamp"),
    ]:
        table = arrow(predictions)
        at = table.schema.get_field_index(column)
        table = table.set_column(at, column, pa.array([values] * len(predictions), kind))
        pq.write_table(table, tmp_path / "bad.parquet")
        said = refused("score", tmp_path / "bad.parquet")
        assert f'bad.parquet: row 1: column "{column}": ' in said and words in said


def test_the_row_that_does_not_fit_is_named(predictions, tmp_path):
    table = arrow(predictions)
    trials = [2**63 if row == 2 else row for row in range(len(predictions))]
    table = table.set_column(table.schema.get_field_index("trial"), "trial", pa.array(trials, pa.uint64()))
    pq.write_table(table, tmp_path / "bad.parquet")
    assert 'bad.parquet: row 3: column "trial": ' in refused("score", tmp_path / "bad.parquet")


def test_a_table_of_no_rows_is_of_the_kind_that_its_schema_says(prompts, scores, tmp_path):
    for rows, filter, words in [
        (prompts, ("score",), "these are prompts: run infer first"),
        (scores, ("score",), "these are scores: expected predictions"),
    ]:
        pq.write_table(arrow(rows).slice(0, 0), tmp_path / "none.parquet")
        assert f"none.parquet: {words}" in refused(*filter, tmp_path / "none.parquet")


# --- columns unknown to the filters ---

ZONE = "Europe/Berlin"
DAY = datetime.datetime(2026, 11, 26, 12, 30, 15, 123456)
UNKNOWN = {
    "at": pa.array([DAY, None], pa.timestamp("us")),
    "at_zone": pa.array([DAY, None], pa.timestamp("ns", ZONE)),
    "day": pa.array([DAY.date(), None], pa.date32()),
    "clock": pa.array([DAY.time(), None], pa.time64("us")),
    "took": pa.array([datetime.timedelta(seconds=3, microseconds=7), None], pa.duration("us")),
    "price": pa.array([decimal.Decimal("12345678901234567890.12"), None], pa.decimal128(38, 2)),
    "word": pa.array(["a", None]).dictionary_encode(),
    "bytes": pa.array([b"\x00\xff", None], pa.binary()),
    "fixed": pa.array([b"\x00\xff", None], pa.binary(2)),
    "deep": pa.array([{"a": 1, "b": [1.5, None]}, None]),
    "map": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int32())),
    "spans": pa.array([[("k", datetime.timedelta(seconds=2))], None], pa.map_(pa.string(), pa.duration("s"))),
    "half": pa.array([1.5, None], pa.float16()),
    "small": pa.array([200, None], pa.uint8()),
    "wide": pa.array([2**64 - 1, None], pa.uint64()),
    "view": pa.array(["a long text that is no inline view", None], pa.string_view()),
    "flag": pa.array([True, None]),
    "nothing": pa.nulls(2),
}


@pytest.fixture(scope="module")
def carrying(trials, tmp_path_factory) -> Path:
    """A Parquet file of trials with one extra column of every type."""
    rows = trials[: len(trials) // 2 * 2]
    table = arrow(rows)
    for name, column in UNKNOWN.items():
        table = table.append_column(name, pa.chunked_array([column] * (len(rows) // 2), column.type))
    path = tmp_path_factory.mktemp("carrying") / "trials.parquet"
    pq.write_table(table, path)
    return path


@pytest.mark.parametrize("format", ["arrow", "parquet"])
def test_every_type_passes_through(format, carrying, tmp_path):
    first, second = tmp_path / f"prompts.{format}", tmp_path / f"predictions.{format}"
    run("encode", "--alphabet", "genomic", carrying, "-o", first)
    run("infer", "--model", "builtin:nearest", first, "-o", second)
    theirs = pq.read_table(carrying)
    for path in (first, second):
        ours = pq.read_table(path) if format == "parquet" else pa.ipc.open_stream(path).read_all()
        for name in UNKNOWN:
            assert ours.schema.field(name).type == theirs.schema.field(name).type, name
            assert ours[name].combine_chunks().equals(theirs[name].combine_chunks()), name


def test_json_says_what_it_can(carrying):
    first, second, *_ = rows_of(run("encode", "--alphabet", "genomic", carrying))
    assert {name: second[name] for name in UNKNOWN} == dict.fromkeys(UNKNOWN)
    assert first["at"] == "2026-11-26T12:30:15.123456"
    assert datetime.datetime.fromisoformat(first["at_zone"][:19] + first["at_zone"][-6:].replace("Z", "+00:00"))
    assert first["day"] == "2026-11-26" and first["clock"] == "12:30:15.123456"
    assert first["took"] == 3_000_007
    assert (first["word"], first["view"]) == ("a", "a long text that is no inline view")
    assert first["bytes"] == "00ff"
    assert first["deep"] == {"a": 1, "b": [1.5, None]} and first["map"] == {"k": 1}
    assert first["spans"] == {"k": 2}
    assert (first["half"], first["small"], first["wide"], first["flag"], first["nothing"]) == (1.5, 200, 2**64 - 1, True, None)


def test_a_run_that_goes_on_keeps_types(carrying, tmp_path):
    """An interrupted run keeps its predictions as JSON lines until it is finished."""
    prompts = tmp_path / "prompts.parquet"
    run("encode", "--alphabet", "linguistic", carrying, "-o", prompts)
    model = Path(__file__).parents[1] / "fixtures" / "models" / "tiny-hf"
    columns = [name for name in UNKNOWN if name not in ("half",)]
    run("infer", "--model", model, "--quiet", prompts, "-o", tmp_path / "out.parquet")
    ours, theirs = pq.read_table(tmp_path / "out.parquet"), pq.read_table(carrying)
    for name in columns:
        assert ours[name].combine_chunks().equals(theirs[name].combine_chunks()), name


# --- values that would be lost are refused, with the column's name ---


def with_column(trials: list[dict], values: list, kind: pa.DataType | None = None) -> pa.Table:
    """Trials with a column `x` that is unknown to the filters."""
    rows = [trials[i % len(trials)] for i in range(len(values))]
    return arrow(rows).append_column("x", pa.array(values, kind))


LATE = 1100  # More records than are written at once.
LOSSES = {
    "a late fraction": [1] * LATE + [1.5],
    "a late text": [1] * LATE + ["007"],
    "a fraction among wide integers": [0.5, 2**53 + 1],
    "an integer beyond 64 bits": [12345678901234567890],
    "a late column": [None] * LATE + [1],
}


@pytest.mark.parametrize("name", LOSSES)
def test_json_columns_that_arrow_cannot_hold_are_refused(name, trials, tmp_path):
    rows = [{**trials[i % len(trials)], **({} if v is None else {"x": v})} for i, v in enumerate(LOSSES[name])]
    out = tmp_path / "out.parquet"
    said = refused("encode", "--alphabet", "genomic", "-o", out, text=lines_of(rows))
    assert '"x"' in said and "write JSONL instead" in said and not out.exists()
    lines = rows_of(run("encode", "--alphabet", "genomic", text=lines_of(rows)))
    assert [row.get("x") for row in lines] == LOSSES[name]


def test_several_tables_have_columns_of_one_type(trials, tmp_path):
    day = [DAY] * 3
    tables = {
        "int8": with_column(trials, [1, 2, 3], pa.int8()),
        "half": with_column(trials, [0.5, None, 7.5], pa.float64()),
        "float32": with_column(trials, [0.1, 0.2, 0.3], pa.float32()),
        "text": with_column(trials, ["007", "8", None], pa.string()),
        "us": with_column(trials, day, pa.timestamp("us")),
        "zone": with_column(trials, day, pa.timestamp("us", ZONE)),
        "decimal": with_column(trials, [decimal.Decimal("1.26")] * 3, pa.decimal128(9, 2)),
        "none": arrow(trials[:3]),
    }
    for name, table in tables.items():
        pq.write_table(table, tmp_path / f"{name}.parquet")
    out = tmp_path / "out.parquet"
    for first, *others in [("int8", "half", "text"), ("half", "float32"), ("us", "zone"), ("zone", "us")]:
        for other in others:
            said = refused("encode", "--alphabet", "genomic", tmp_path / f"{first}.parquet", tmp_path / f"{other}.parquet", "-o", out)
            assert 'column "x"' in said and not out.exists(), said
    rows = [{**trials[0], "x": 1.2599}]
    (tmp_path / "decimal.jsonl").write_bytes(lines_of(rows))
    said = refused("encode", "--alphabet", "genomic", tmp_path / "decimal.parquet", tmp_path / "decimal.jsonl", "-o", out)
    assert 'column "x": 1.2599 would become 1.26' in said
    # A column that only one file has is null in the other.
    for names, values in [(("half", "none"), [0.5, None, 7.5, None, None, None]), (("none", "half"), [None, None, None, 0.5, None, 7.5])]:
        run("encode", "--alphabet", "genomic", *(tmp_path / f"{name}.parquet" for name in names), "-o", out)
        assert pq.read_table(out)["x"].to_pylist() == values
    # It is refused if the column first appears after the first records, when the types are fixed.
    pq.write_table(arrow(trials * (LATE // len(trials) + 1)), tmp_path / "many.parquet")
    said = refused("encode", "--alphabet", "genomic", tmp_path / "many.parquet", tmp_path / "half.parquet", "-o", out.with_name("o.parquet"))
    assert 'column "x" comes after the first records' in said


def test_an_infinity_is_no_json(trials, tmp_path):
    table = with_column(trials, [1.0, math.inf, math.nan])
    pq.write_table(table, tmp_path / "theirs.parquet")
    said = refused("encode", "--alphabet", "genomic", tmp_path / "theirs.parquet", "-o", tmp_path / "out.jsonl")
    assert 'column "x": inf' in said
    run("encode", "--alphabet", "genomic", tmp_path / "theirs.parquet", "-o", tmp_path / "out.parquet")
    ours = pq.read_table(tmp_path / "out.parquet")["x"].to_pylist()
    assert ours[:2] == [1.0, math.inf] and math.isnan(ours[2])


def test_a_column_that_stands_twice_is_refused(trials, scores, tmp_path):
    line = lines_of(trials[:1]).replace(b'{"trial_id"', b'{"seed": 99, "trial_id"', 1)
    assert 'two columns "seed"' in refused("encode", "--alphabet", "genomic", text=line)
    table = arrow(trials)
    with pa.ipc.new_stream(tmp_path / "twice.arrows", pa.schema([*table.schema, table.schema.field("seed")])) as writer:
        writer.write_batch(pa.record_batch([*table.combine_chunks().to_batches()[0].columns, table["seed"].combine_chunks()],
                                           schema=pa.schema([*table.schema, table.schema.field("seed")])))  # fmt: skip
    assert 'two columns "seed"' in refused("encode", "--alphabet", "genomic", tmp_path / "twice.arrows")
    assert 'two columns "shots"' in refused("fit-loglinear", text=b"model,shots,accuracy,shots\na,1,.1,2\n")


def test_an_integer_that_a_float_cannot_hold_is_refused(trials):
    rows = [{**trials[0], "seed": float(2**53)}]
    said = refused("encode", "--alphabet", "genomic", text=lines_of(rows))
    assert 'column "seed": expected an integer' in said


def test_damaged_provenance_is_refused(trials, tmp_path):
    table = arrow(trials).replace_schema_metadata({"shotline.provenance": "garbage"})
    pq.write_table(table, tmp_path / "theirs.parquet")
    assert "not a provenance chain" in refused("encode", "--alphabet", "genomic", tmp_path / "theirs.parquet")


# --- text ---


def as_csv(rows: list[dict], **how) -> bytes:
    return pd.DataFrame(rows).to_csv(index=False, **how).encode()


CSV = {
    "pandas": lambda rows: as_csv(rows),
    "byte-order mark": lambda rows: codecs.BOM_UTF8 + as_csv(rows),
    "Windows": lambda rows: as_csv(rows, lineterminator="\r\n"),
    "R": lambda rows: as_csv(rows, na_rep="NA", quoting=2).replace(b"True", b"TRUE").replace(b"False", b"FALSE"),
    "R with row names": lambda rows: pd.DataFrame(rows).to_csv(na_rep="NA", index_label="").encode(),
    "NaN": lambda rows: as_csv(rows, na_rep="NaN"),
    "null": lambda rows: as_csv(rows, na_rep="null"),
    "semicolons": lambda rows: as_csv(rows, sep=";"),
    "semicolons and decimal commas": lambda rows: as_csv(rows, sep=";", decimal=","),
    "tabs": lambda rows: as_csv(rows, sep="\t"),
    "spaces in the header": lambda rows: spaced(as_csv(rows)),
    "whole floats": lambda rows: pd.DataFrame(rows).astype({"shots": float, "tasks": float}).to_csv(index=False).encode(),
    "polars": lambda rows: pl.DataFrame(rows, infer_schema_length=None).write_csv().encode(),
}


def spaced(text: bytes) -> bytes:
    header, rest = text.split(b"\n", 1)
    return b",".join(b'" ' + name + b' "' for name in header.split(b",")) + b"\n" + rest


@pytest.mark.parametrize("name", CSV)
def test_csv_of_scores(name, scores):
    reader = FILTERS["scores"]
    assert run(*reader, text=CSV[name](scores)) == expected(scores, reader)


def test_a_comma_is_a_point_in_numbers_only():
    text = b"model;shots;accuracy\n1,5;1;0,1\n1,5;2;0,2\n1,5;4;0,35\n"
    fit, = rows_of(run("fit-loglinear", "--to", "jsonl", text=text))
    assert fit["model"] == "1,5"
    said = refused("fit-loglinear", text=b"model;shots;accuracy\nm;1;0,1\nm;2,5;0,2\n")
    assert 'stdin:3: column "shots": expected an integer, found 2,5' in said
    # In a table with commas, a comma is not a decimal point.
    said = refused("fit-loglinear", text=b'model,shots,accuracy\nm,1,"0,1"\n')
    assert 'column "accuracy": expected a number, found 0,1' in said


def test_what_separates_stands_outside_of_quotes(scores):
    text = b'model,shots,accuracy,"a;b;c;d;e;f"\nm,1,.1,x\nm,2,.2,x\nm,4,.3,x\n'
    assert rows_of(run("fit-loglinear", "--to", "jsonl", text=text))[0]["points"] == 3


def test_tsv_is_written_and_read(predictions, scores, tmp_path):
    path = tmp_path / "scores.tsv"
    run("score", "-o", path, text=lines_of(predictions))
    header = path.read_text().splitlines()[0]
    assert header.split("\t") == list(scores[0])
    assert run(*FILTERS["scores"], path) == expected(scores, FILTERS["scores"])


JSON = {
    "byte-order mark": lambda rows: codecs.BOM_UTF8 + lines_of(rows),
    "Windows": lambda rows: lines_of(rows).replace(b"\n", b"\r\n"),
    "spaces": lambda rows: "".join(json.dumps(row, indent=1).replace("\n", " ") + "\n" for row in rows).encode(),
    "whole floats": lambda rows: lines_of([
        {name: float(v) if type(v) is int and name != "seed" else v for name, v in row.items()} for row in rows
    ]),
    "NaN for null": lambda rows: lines_of([
        {name: math.nan if v is None else v for name, v in row.items()} for row in rows
    ]),
    "polars": lambda rows: pl.DataFrame(rows, infer_schema_length=None).write_ndjson().encode(),
}  # fmt: skip


@pytest.mark.parametrize("name", JSON)
def test_json_lines(name, table):
    rows, reader = table
    assert run(*reader, text=JSON[name](rows)) == expected(rows, reader)


def test_nan_is_named_where_a_value_is_needed(scores):
    rows = [{**row, "accuracy": math.nan} for row in scores]
    said = refused("fit-loglinear", text=lines_of(rows))
    assert 'stdin:1: column "accuracy": expected a number, found NaN' in said
    text = [{**row, "model": "NaN and 'NaN'"} for row in scores]
    assert b"NaN and 'NaN'" in run("fit-loglinear", "--to", "jsonl", text=lines_of(text))


def test_what_is_not_read_says_what_to_do(predictions, prompts, trials, scores, tmp_path):
    utf16 = as_csv(scores).decode().encode("utf-16")
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 7\n"
    for text, filter, words in [
        (json.dumps(predictions).encode(), ("score",), "jq -c '.[]'"),
        (json.dumps(predictions, indent=1).encode(), ("score",), "jq -c '.[]'"),
        (json.dumps(predictions[0], indent=1).encode(), ("score",), "jq -c ."),
        (utf16, ("fit-loglinear",), "UTF-16"),
        (lines_of(trials), ("infer", "--model", "builtin:copy"), "these are trials: run encode first"),
        (lines_of(trials), ("score",), "these are trials: run encode and infer first"),
        (lines_of(prompts), ("score",), "these are prompts: run infer first"),
        (lines_of(prompts), ("contrast",), "these are prompts: run infer first"),
        (pointer, ("score",), "git lfs pull"),
        (pointer, ("fit-loglinear",), "git lfs pull"),
    ]:
        said = refused(*filter, text=text)
        assert words in said and said.startswith(f"{filter[0]}: stdin"), said
    pq.write_table(arrow(prompts), tmp_path / "prompts.parquet")
    assert "these are prompts: run infer first" in refused("score", tmp_path / "prompts.parquet")
