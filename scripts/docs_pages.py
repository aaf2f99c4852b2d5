"""Generates reference pages for `make docs` from the programs and the schemas: the manual of every filter, the columns
of every table, and the changelog. SHOTLINE_BIN names the folder with the filters."""

import json
import os
import subprocess
from pathlib import Path

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(os.environ.get("SHOTLINE_BIN", ROOT / "target" / "release"))
FILTERS = ("gen-tasks", "encode", "infer", "score", "fit-loglinear", "contrast", "figure", "merge-shards")


def on_files(files: Files, config) -> Files:
    """Adds the pages to those of docs/; mkdocs calls it."""
    pages = {f"{name}.md": manual(name) for name in FILTERS}
    pages["tables.md"] = tables()
    pages["changes.md"] = (ROOT / "CHANGELOG.md").read_text().replace("](docs/", "](../")
    for name, text in pages.items():
        files.append(File.generated(config, f"reference/{name}", content=text))
    return files


def manual(name: str) -> str:
    """A filter's `--help`."""
    said = subprocess.run([BIN / name, "--help"], capture_output=True, text=True, check=True).stdout
    return f"# {name}\n\n```text\n{said}```\n"


def tables() -> str:
    """Every schema as a table of its columns."""
    lines = ["# Columns of every table", "", "In order, as every format has them. Unknown columns of other tools may follow.", ""]
    for path in sorted((ROOT / "schemas").glob("*.schema.json")):
        schema = json.loads(path.read_text())
        lines += [f"## {schema['title']}", "", schema["description"], ""]
        lines += ["| column | type | unit | meaning |", "|---|---|---|---|"]
        # Provenance is a list of steps.
        columns = schema.get("properties") or schema["items"]["properties"]
        lines += [row(name, column) for name, column in columns.items()] + [""]
    return "\n".join(lines)


def row(name: str, column: dict) -> str:
    kinds = column.get("type", "any")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    words = [f"`{word}`" for word in column.get("enum", ()) if word is not None]
    kind = " or ".join(words) if words else ", ".join(kinds)
    kind += ", null" if words and "null" in kinds else ""
    cells = (f"`{name}`", kind, column.get("x-unit", ""), column.get("description", ""))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
