"""card.json: the description of a converted model, with the fields of Shotline's records.

    name, modality, params   as in records; params counts a tied embedding once. Without --name, the name is the
                             folder's name plus the weights' type, unless that is float32 or already in the name. So a
                             model in two folders is two models in records, even if their numbers are equal
    architecture             the family, for example `qwen3`
    vocabulary               the tokenizer's file, or "bytes" if token ids are byte values
    weights                  the type that matrices are stored in: float32, bfloat16, float16 or q4 (blocks of 4 bits
                             for matrices that have such blocks in the source, float32 for others)
    max_positions            the length of the longest sequence that the graph takes, in tokens
    device                   where the graph runs: "cpu" or "cuda"
    sources                  name and SHA-256 of every file that was read
    license                  the source's license, or null
    verified                 sentences that say what was verified about this model, and how
    recorded                 logits of a reference implementation with exactly these weights (`--record`), or absent
    converter                this program and the versions of the libraries that it uses

`recorded` holds the float32 logits of a reference, for `infer --verify`:

    {"reference": "transformers 4.57.6 float32",    the program that computed them, and the type of its computation
     "input_ids": [t_0, ..],                        the tokens of one prompt; nothing is added before them
     "positions": [p_0, ..],                        positions in the prompt, from 0 to the number of tokens - 1
     "ids": [[v_0, ..], ..],                        for each position, token ids; the id of the largest logit is first
     "logits": [[l_0, ..], ..]}                     for each position, the logits of those ids: logits[i][j] belongs to
                                                    ids[i][j], after the token at positions[i] was read

A model is right if two things hold at every position: ids[i][0] has the largest logit of the whole vocabulary (or is
lower by less than the tolerance), and the logits agree within the tolerance of the weights' type.
"""

import math
from importlib.metadata import version
from pathlib import Path

from errors import ConvertError
from files import read_json
from family import Family
from onnx_writer import Q4

CONVERTER = "shotline scripts/convert 3"
# What was verified for graphs with blocks of 4 bits, in addition to the family's sentences.
VERIFIED_Q4 = (
    "Its blocks of 4 bits, on random weights: logits within 1e-4 of those of the float32 graph "
    "(tests/python/test_convert_q4.py)."
)
VERIFIED_CUDA = "All this on a CPU; on a GPU this graph has not run."
PACKAGES = ("gguf", "ml_dtypes", "numpy", "onnx")


def card(
    model: Family, name: str, modality: str | None, weights: str, device: str, recorded: dict | None
) -> dict:
    """The complete card.json."""
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
    """A model's default name: its folder's name, plus the type of its weights."""
    return folder if weights == "float32" or weights in folder.lower() else f"{folder}-{weights}"


def read_recorded(path: Path) -> dict:
    """Read a file of recorded logits and check it against the format above."""

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
