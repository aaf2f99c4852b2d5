"""Writes cells in the format of the published raw results, for all eight modalities, from tasks that the filters draw.

The answers are of all sorts: right, short, empty, with dropped symbols, wrong.
"""

import json
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

from filters import BIN

REPLAYED = ("genomic", "linguistic", "integer", "protein")
# The `backend` of each modality for which anything reads it.
BACKENDS = {"image": "imagegpt", "time-series": "timesfm", "music": "music", "chess": "chess"}
MODALITIES = (*REPLAYED, *BACKENDS)
SORTS = 5

COUNTS = [1, 2, 4, 8, 16, 32, 64]
PROTEIN, IMAGE, TIME = [*COUNTS[:6], 48], [*COUNTS[:5], 31], [1, 2, 4, 8, 16, 24, 32, 48]
# The layout of the published archive: folder, model, modality, shot counts. It has 281 cells.
RUNS = [
    ("qwen3", "Qwen/Qwen3-14B-Base", "linguistic", COUNTS),
    ("evo2", "arcinstitute/evo2_40b", "genomic", COUNTS),
    ("nextterm", "N8Programs/NextTerm-440M", "integer", COUNTS),
    ("imagegpt", "N8Programs/imagegpt-large-bf16", "image", IMAGE),
    ("timesfm", "google/timesfm-2.5-200m-transformers", "time-series", TIME),
    ("progen2", "N8Programs/ProGen2-base-bf16", "protein", PROTEIN),
    *((f"qwen3_family/qwen3_{size.lower().replace('.', '_')}", f"Qwen/Qwen3-{size}-Base", "linguistic", COUNTS)
      for size in ("0.6B", "1.7B", "4B", "8B")),
    *((f"evo2_family/{name}", f"arcinstitute/{name}", "genomic", COUNTS) for name in ("evo2_1b_base", "evo2_7b")),
    ("nextterm_family/nextterm_47m", "N8Programs/NextTerm-47M", "integer", COUNTS),
    *((f"imagegpt_family/imagegpt_{size}", f"models/imagegpt-{size}-bf16", "image", IMAGE)
      for size in ("small", "medium")),
    *((f"progen2_family/progen2_{size}", f"models/ProGen2-{size}-bf16", "protein", PROTEIN)
      for size in ("small", "medium", "large", "xlarge")),
    ("chessgpt", "N8Programs/karvonen-chessgpt-50m-mlx-bf16", "chess", COUNTS[:4]),
    ("musicroll", "N8Programs/Musicroll-50M", "music", COUNTS[:6]),
]  # fmt: skip


def bits_of(modality: str) -> int:
    return 4 if modality == "chess" else 8


def prompts_of(modality: str, shots: int, condition: str, trials: int, seed: int) -> Iterator[dict]:
    """The prompts of a cell. If the modality can be replayed, they are the published prompts."""
    replayed = modality in REPLAYED
    draw = [BIN / "gen-tasks", "--quiet", "--shots", shots, "--trials", trials, "--seed", seed, "--condition", condition,
            *(["--replay", "breslow2026", "--alphabet", modality] if replayed else ["--bits", bits_of(modality)])]  # fmt: skip
    drawing = subprocess.Popen([str(part) for part in draw], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    last = drawing
    if replayed:
        last = subprocess.Popen([BIN / "encode", "--quiet"], stdin=drawing.stdout, stdout=subprocess.PIPE)
    with drawing, last:
        yield from map(json.loads, last.stdout)
    assert drawing.returncode == last.returncode == 0


def image(pairs: list, query: str, chance: random.Random) -> tuple[str, str]:
    zero, one, pad = chance.sample(range(512), 3)
    head = f"<imagegpt zero={zero} one={one} pad={pad} row_layout=left-pad row_pad=16>"
    return "\n".join([head, *(f"{x}->{y}" for x, y in pairs), f"{query}->"]), query


def wave(pairs: list, query: str, chance: random.Random) -> tuple[str, str]:
    lines = [*(f"{x} SEP {y} SEP" for x, y in pairs), f"{query} SEP <generate {len(query)}>"]
    return "\n".join(["<timesfm zero=-1 one=1 sep=0>", *lines]), str([chance.uniform(-1, 1) for _ in range(128)])


def bars(pairs: list, query: str, chance: random.Random) -> tuple[str, str]:
    notes = dict(zip("01", chance.sample("CDEFGAB", 2), strict=True))
    line = {bits: "|" + "".join(f"{notes[bit]}4|" for bit in bits) for bits in {query, *sum(pairs, ())}}
    lines = [text for x, y in pairs for text in (line[x], "|G1|g1|g1|g1|||||", line[y], "|G1|g1|g1|g1|G1|g1|g1|g1|")]
    return "\n".join([*lines, line[query], "|G1|g1|g1|g1|||||"]), "\n" + line[query]


def moves(pairs: list, query: str, _: random.Random) -> tuple[str, str]:
    out = {"00": "Na3", "01": "Nc3", "10": "Nf3", "11": "Nh3"}
    game = {bits: f" {out[bits[:2]]} {out[bits[2:]].replace('3', '6')} Ng1 Ng8" for bits in {query, *sum(pairs, ())}}
    return ";" + "".join(game[x] + game[y] for x, y in pairs) + game[query], game[query]


DRESSES = {"image": image, "time-series": wave, "music": bars, "chess": moves}


def answer(target: str, sort: int) -> str:
    """The decoded bits of an answer of the given sort."""
    k = len(target)
    return [target, target[: k // 2], "", target[:1] + target[3:], target[:-1] + "10"[int(target[-1])]][sort]


def trial_of(modality: str, prompt: dict, number: int) -> dict:
    target, query = prompt["target"], prompt["query"]
    prediction = answer(target, number % SORTS)
    if modality in REPLAYED:
        symbols = str.maketrans({"0": prompt["zero"], "1": prompt["one"]})
        text, query, raw = prompt["prompt"], query.translate(symbols), prediction.translate(symbols) + "!é"
    else:
        pairs = list(zip(prompt["inputs"], prompt["outputs"], strict=True))
        text, raw = DRESSES[modality](pairs, query, random.Random(number))
    return {"prompt": text, "query": query, "expected": target, "prediction_raw": raw, "prediction": prediction,
            "correct": prediction == target, "edit_distance": 0}  # fmt: skip


def document_of(
    modality: str, shots: int = 2, condition: str = "clean", model: str = "evo2_7b", trials: int = 3, seed: int = 11
) -> dict:
    """A cell in the published format."""
    tasks: dict[str, list[dict]] = {}
    for number, prompt in enumerate(prompts_of(modality, shots, condition, trials, seed)):
        tasks.setdefault(prompt["function"], []).append(trial_of(modality, prompt, number))
    config = {"model": model, "in_context_examples": shots, "trials_per_program": trials, "seed": seed,
              "bit_length": bits_of(modality), "backend": BACKENDS.get(modality),
              "ablate_labels": condition == "deranged"}  # fmt: skip
    listed = [{"index": i, "program": name.split("."), "trials": of, "accuracy": 0}
              for i, (name, of) in enumerate(tasks.items())]  # fmt: skip
    return {"config": config, "overall": {}, "tasks": listed}


def files_of(trials: int, runs: list = RUNS) -> Iterator[tuple[str, object]]:
    """The published layout: paths and the content of each."""
    for folder, model, modality, counts in runs:
        if modality == "genomic":
            yield f"{folder}/{Path(folder).name}_clean_summary.json", {"model": model}
            yield f"{folder}/{Path(folder).name}_deranged_summary.json", {"model": model}
        for condition in ("clean", "deranged"):
            for shots in counts:
                if (modality, condition, shots) != ("music", "deranged", 1):
                    cell = document_of(modality, shots, condition, model, trials)
                    yield f"{folder}/{condition}/{Path(model).name}_ic{shots}.json", cell
