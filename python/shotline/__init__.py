"""Shotline for Python: finds the filters, gives the schemas of their tables, and reads those tables as data frames.

    import shotline
    subprocess.run([shotline.filter_path("score"), "predictions.parquet", "-o", "scores.csv"], check=True)
    shotline.schemas()["score"]["properties"]["accuracy"]["description"]
    shotline.read("scores.csv")                     # polars; or to="pandas", to="arrow"

`read` takes any table that a filter wrote, in any format. It gives every column the type from its schema, so integers
that may be missing, booleans and lists are the same from CSV and JSON lines as from Arrow and Parquet.
"""

import functools
import io
import json
import os
from importlib import metadata
from pathlib import Path

__all__ = ["FILTERS", "filter_path", "read", "schemas"]
__version__ = metadata.version("shotline")

FILTERS = ("gen-tasks", "encode", "infer", "score", "fit-loglinear", "contrast", "figure", "merge-shards")
# The keys that mark a JSON line without a record.
MARKS = ("provenance", "shotline.schema")
# Values that the filters read as null in CSV (docs/formats.md).
NULLS = ["", "NA", "null", "None", "NaN", "nan"]


def filter_path(name: str) -> Path:
    """The path of a filter's program, in the environment where this package is installed."""
    if name not in FILTERS:
        raise ValueError(f"{name!r}: no filter; there are {', '.join(FILTERS)}")
    for file in metadata.files("shotline") or ():
        if file.name == name and file.parent.name == "bin":
            return Path(file.locate()).resolve()
    raise FileNotFoundError(f"{name} is not where the wheel put it")


@functools.cache
def schemas() -> dict[str, dict]:
    """The JSON Schema of each kind of record, by name: trial, prompt, prediction, score .."""
    files = sorted((Path(__file__).parent / "schemas").glob("*.schema.json"))
    return {file.name.removesuffix(".schema.json"): json.loads(file.read_text(encoding="utf-8")) for file in files}


def read(path: str | os.PathLike, to: str = "polars"):
    """Reads a filter's table as a polars or pandas data frame or a pyarrow table. Needs pyarrow and that library.

    In pandas, columns have Arrow types, because the older types cannot hold integers with missing values.
    """
    if to not in ("polars", "pandas", "arrow"):
        raise ValueError(f"to={to!r}: expected 'polars', 'pandas' or 'arrow'")
    table = _typed(_table(Path(path)))
    if to == "polars":
        import polars

        return polars.from_arrow(table)
    if to == "pandas":
        import pandas

        return table.to_pandas(types_mapper=pandas.ArrowDtype)
    return table


def _table(path: Path):
    """Reads the table according to its format."""
    import pyarrow as pa
    from pyarrow import ipc, parquet

    with path.open("rb") as file:
        start = file.read(6)
    if start.startswith(b"PAR1"):
        return parquet.read_table(path)
    packed = "gzip" if start.startswith(b"\x1f\x8b") else "zstd" if start.startswith(b"\x28\xb5\x2f\xfd") else None
    with pa.OSFile(str(path)) as file:
        data = pa.CompressedInputStream(file, packed).read() if packed else file.read()
    if data.startswith(b"ARROW1"):
        return ipc.open_file(data).read_all()
    if data.startswith(b"\xff\xff\xff\xff"):
        return ipc.open_stream(data).read_all()
    data = data.removeprefix(b"\xef\xbb\xbf")
    return _json(data) if data.lstrip().startswith(b"{") else _csv(data)


def _json(data: bytes):
    from pyarrow import json as lines

    records = (json.loads(line) for line in io.BytesIO(data) if line.strip())
    first = next((record for record in records if not record.keys() & set(MARKS)), {})
    # A block must hold the longest line.
    options = lines.ReadOptions(block_size=max(map(len, io.BytesIO(data))) + (1 << 20))
    table = lines.read_json(
        io.BytesIO(data), options, lines.ParseOptions(explicit_schema=_types(first), unexpected_field_behavior="infer")
    )
    for mark in MARKS:
        if mark in table.column_names:
            table = table.filter(table[mark].is_null()).drop_columns(mark)
    return table


def _csv(data: bytes):
    from pyarrow import csv

    header = data.partition(b"\n")[0]
    delimiter = max(",;\t", key=lambda mark: header.count(mark.encode()))
    names = [name.strip().strip('"') for name in header.decode().split(delimiter)]
    types = csv.ConvertOptions(column_types=_types(names), null_values=NULLS, strings_can_be_null=True)
    return csv.read_csv(io.BytesIO(data), parse_options=csv.ParseOptions(delimiter=delimiter), convert_options=types)


def _types(names):
    """Arrow types of the named columns, from the schema of the kind of record that has most of them."""
    import pyarrow as pa

    names = list(names)
    kinds = (kind["properties"] for kind in schemas().values() if "properties" in kind)
    # Trials, prompts and predictions each contain the columns of the kind before, so the smallest schema wins a tie.
    columns = max(kinds, key=lambda known: (len(known.keys() & set(names)), -len(known)))
    plain = {"string": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}

    def arrow(schema):
        [kind] = {schema["type"]} if isinstance(schema["type"], str) else set(schema["type"]) - {"null"}
        return pa.list_(arrow(schema["items"])) if kind == "array" else plain[kind]

    return pa.schema([(name, arrow(columns[name])) for name in names if name in columns])


def _typed(table):
    """The table with the schema's types, without metadata that only its file format has."""
    import pyarrow as pa

    types = _types(table.column_names)
    fields = [types.field(name) if name in types.names else table.schema.field(name) for name in table.column_names]
    return table.cast(pa.schema(fields))
