"""Profile Evo 2 1B with random weights: the share of a layer's time that the filter takes, for each kind of layer.

    make test-large
    python3 tests/large/evo2_1b_profile.py [--threads 2] [--model FOLDER]

Converts the checkpoint of evo2_shapes.py (2.2 GB; 4.6 GB in float32), or takes the converted FOLDER. Then ONNX Runtime
alone reads one prompt of 128 shots, and some single tokens after it. The script fails if a bound is missed: conversion
under 60 s and 1 GB; 28 tokens/s, or 65 % of the rate of matrix products measured in the same run; the filter of long
(LI) layers under 5 % of the layers' time. It runs in the environment of scripts/requirements/test.txt, on a machine
that does nothing else.
"""

import argparse
import json
import os
import re
import sys
import tempfile
import time
from bisect import bisect
from collections import defaultdict
from pathlib import Path

import onnx
import onnxruntime

import evo2_shapes
from run import EVO2_1B, ROOT, measure, sgemm_rate, write_evo2_1b

sys.path.insert(0, str(ROOT / "tests" / "python"))

from onnx_model import Model  # noqa: E402

# The number of tokens in a prompt of 128 shots of 8 bases, and in an answer.
TOKENS = 2184
STEPS = 8


def converted(temp: Path) -> tuple[Path, dict[str, float]]:
    folder = temp / "model"
    done = measure(sys.executable, ROOT / "scripts" / "convert", write_evo2_1b(temp / "checkpoint"), "-o", folder)
    return folder, {"conversion, s": done.seconds, "conversion, peak GB": done.megabytes / 1e3}


def filter_shares(folder: Path, profile: Path) -> dict[str, float]:
    """For each kind of layer, the percentage of the layers' time that the filter (or attention) takes.

    The longest run of the model in the profile is measured.
    """
    nodes = onnx.load(folder / "model.onnx", load_external_data=False).graph.node
    number = lambda name: int(re.search(r"_(\d+)", name)[1])
    numbers = lambda op: [number(node.name) for node in nodes if node.op_type == op]
    # A norm has one Sqrt. A layer has two norms, and begins with the first of them. The graph ends with one more norm.
    starts = numbers("Sqrt")[::2]
    # A filter lies between two gates. The gate on the input follows a Split. The gate on the output precedes a
    # Transpose.
    is_of_tokens = lambda node: node.op_type == "Transpose" and list(node.attribute[0].ints) == [0, 2, 1]
    gates = [number(node.name) - 1 for node in nodes if is_of_tokens(node)]
    filters = [range(split + 2, gates[bisect(gates, split)]) for split in numbers("Split")]
    filters += [range(place, place + 1) for place in numbers("GroupQueryAttention")]
    events = json.loads(profile.read_text())
    run = max((event for event in events if event["name"] == "model_run"), key=lambda event: event["dur"])
    layers, own = defaultdict(float), defaultdict(float)
    for event in events:
        name, is_kernel = event["name"].removesuffix("_kernel_time"), event["name"].endswith("_kernel_time")
        if is_kernel and re.search(r"_\d", name) and run["ts"] <= event["ts"] < run["ts"] + run["dur"]:
            layer = bisect(starts, number(name)) - 1
            if 0 <= layer < len(EVO2_1B.kinds):
                kind = EVO2_1B.kinds[layer]
                layers[kind] += event["dur"]
                own[kind] += event["dur"] * any(number(name) in places for places in filters)
    return {f"{kind} filter, % of layer": 100 * own[kind] / layers[kind] for kind in ("long", "medium", "attention")}


def timed(temp: Path, folder: Path, threads: int) -> dict[str, float]:
    """Times one prompt, and some single tokens after it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.enable_profiling, options.profile_file_prefix = True, str(temp / "profile")
    begun = time.monotonic()
    model = Model(folder, options)
    figures = {"loading, s": time.monotonic() - begun, "product, GFLOP/s": sgemm_rate() / 1e9}
    ids = evo2_shapes.evo2_checkpoint.bases(2, TOKENS)
    begun = time.monotonic()
    _, past = model(ids, [TOKENS - 1])
    rate = TOKENS / (time.monotonic() - begun)
    figures |= {"tokens/s": rate, "GFLOP/s": 2 * evo2_shapes.layer_weights(EVO2_1B) * rate / 1e9}
    begun = time.monotonic()
    for step, token in enumerate(ids[:STEPS]):
        _, past = model([token], [0], past=past, read=TOKENS + step)
    figures["one token, s"] = (time.monotonic() - begun) / STEPS
    figures["product after, GFLOP/s"] = sgemm_rate() / 1e9
    return figures | filter_shares(folder, Path(model.session.end_profiling()))


def missed(figures: dict[str, float]) -> list[str]:
    """The names of the bounds that are missed."""
    product = max(figures["product, GFLOP/s"], figures["product after, GFLOP/s"])
    holds = {
        "conversion": figures.get("conversion, s", 0) < 60 and figures.get("conversion, peak GB", 0) < 1,
        "speed": figures["tokens/s"] > 28 or figures["GFLOP/s"] > 0.65 * product,
        "long filter": figures["long filter, % of layer"] < 5,
    }
    return [name for name, is_kept in holds.items() if not is_kept]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", type=Path, metavar="FOLDER", help="a converted model of this shape")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("SHOTLINE_LARGE_DIR")) as temp:
        folder, figures = (args.model, {}) if args.model else converted(Path(temp))
        figures |= timed(Path(temp), folder, args.threads)
    for name, value in figures.items():
        print(f"{name:28} {value:8.2f}")
    if bounds := missed(figures):
        sys.exit(f"missed: {', '.join(bounds)}")


if __name__ == "__main__":
    main()
