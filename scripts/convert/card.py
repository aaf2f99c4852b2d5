"""card.json: who a converted model is, in the words of Shotline's records.

    name, modality, params   as in records; params counts a tied embedding once. Without --name the folder's name, with
                             the weights' type behind it unless that is float32 or the name has it already: one model in
                             two folders is two models in records, whether or not their numbers differ
    architecture             the family, `qwen3` say
    vocabulary               the tokenizer's file, or "bytes" where token ids are byte values
    weights                  the type that matrices are stored in: float32, bfloat16, float16, or q4: as blocks of 4
                             bits wherever the source has such blocks, else float32
    max_positions            the longest sequence that the graph takes, in tokens
    device                   where the graph runs: "cpu" or "cuda"
    sources                  file and SHA-256 of everything that was read
    license                  as the source gives it, or null
    verified                 sentences: what is known to be right about this model, and how
    recorded                 what a reference implementation says with these very weights (`--record`), or absent
    converter                this program and the versions of what it stands on

`recorded` holds the float32 logits of a reference, for `infer --verify`:

    {"reference": "transformers 4.57.6 float32",    who computed them, and in which type
     "input_ids": [t_0, ..],                        one prompt's tokens, none put before them
     "positions": [p_0, ..],                        places in the prompt, each from 0 to the number of tokens - 1
     "ids": [[v_0, ..], ..],                        for each position token ids, that of the largest logit first
     "logits": [[l_0, ..], ..]}                     for each position the logits of those ids: `ids[i][j]` at
                                                    `positions[i]`, the prompt read up to and with that token

A model is right if, at every position, ids[i][0] has the largest logit of the whole vocabulary (or is behind by less
than the tolerance) and the logits agree within what the weights' type allows.
"""

import math
from importlib.metadata import version
from pathlib import Path

from errors import ConvertError
from files import read_json
from family import Family
from onnx_writer import Q4

CONVERTER = "shotline scripts/convert 3"
# What is known of graphs with blocks of 4 bits beyond what is of the family's.
VERIFIED_Q4 = (
    "Its blocks of 4 bits, on random weights: logits within 1e-4 of those of the float32 graph "
    "(tests/python/test_convert_q4.py)."
)
VERIFIED_CUDA = "All this on a CPU; on a GPU this graph has not run."
PACKAGES = ("gguf", "ml_dtypes", "numpy", "onnx")


def card(
    model: Family, name: str, modality: str | None, weights: str, device: str, recorded: dict | None
) -> dict:
    """The whole of card.json."""
    further = [VERIFIED_Q4] * (weights == Q4) + [VERIFIED_CUDA] * (device == "cuda")
    return {
        "name": name,
        "modality": modality or model.modality,
        "params": model.parameters(),
        "architecture": model.architecture,
        "vocabulary": model.vocabulary,
        "weights": weights,
        "max_positions": model.max_positions,
        "device": device,
        "sources": model.source.hashes(),
        "license": model.source.license,
        "verified": [*model.verified(), *further],
        **({} if recorded is None else {"recorded": recorded}),
        **model.notes(),
        "converter": f"{CONVERTER} (" + ", ".join(f"{p} {version(p)}" for p in PACKAGES) + ")",
    }


def default_name(folder: str, weights: str) -> str:
    """What a model is called where nobody says: as its folder, and by the type of its weights."""
    return folder if weights == "float32" or weights in folder.lower() else f"{folder}-{weights}"


def read_recorded(path: Path) -> dict:
    """A file of recorded logits, held against the format above."""

    def refuse(key: str, expected: str) -> ConvertError:
        return ConvertError(f'{path}: "{key}": expected {expected}')

    table = read_json(path)
    keys = ("reference", "input_ids", "positions", "ids", "logits")
    if not isinstance(table, dict) or set(table) != set(keys):
        raise ConvertError(f"{path}: expected an object with {', '.join(keys)}")
    if not isinstance(table["reference"], str):
        raise refuse("reference", "a string")
    if not _are_ids(table["input_ids"]):
        raise refuse("input_ids", "token ids, at least one")
    tokens, positions = len(table["input_ids"]), table["positions"]
    if not _are_ids(positions) or max(positions) >= tokens:
        raise refuse("positions", f"places among {tokens} tokens, at least one")
    ids, logits = table["ids"], table["logits"]
    if not isinstance(ids, list) or len(ids) != len(positions) or not all(_are_ids(row) for row in ids):
        raise refuse("ids", f"{len(positions)} lists of token ids, none empty")
    if not isinstance(logits, list) or [len(row) for row in logits] != [len(row) for row in ids]:
        raise refuse("logits", "as many numbers as there are ids at each position")
    if not all(isinstance(x, (int, float)) and math.isfinite(x) for row in logits for x in row):
        raise refuse("logits", "finite numbers")
    return {key: table[key] for key in keys}


def _are_ids(values) -> bool:
    return (
        isinstance(values, list)
        and len(values) > 0
        and all(isinstance(value, int) and not isinstance(value, bool) and value >= 0 for value in values)
    )
