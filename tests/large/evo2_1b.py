"""The real shape of Evo 2 1B, with random weights: convert it, run `infer` on it, and say what that takes.

    python3 tests/large/evo2_1b.py [--bin target/release] [--threads 2] [--keep FOLDER]

Writes a checkpoint of two parts (2.2 GB), converts it to float32 (4.8 GB) and deletes both. Prints conversion time and
peak memory, tokens per second over prompts of 128 shots, the rate of a matrix product in the same process, and the
share of each kind of layer's filter. Needs 12 GB of disk, 8 GB of memory and the environment of
scripts/requirements/test.txt.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import ml_dtypes
import numpy as np
import onnxruntime

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "oracle"))
import evo2_checkpoint  # noqa: E402

# evo2/configs/evo2-1b-8k.yml of the PyPI package evo2 0.6.0.
LAYERS = {
    "attention": (3, 10, 17, 24),
    "long": (2, 6, 9, 13, 16, 20, 23),
    "medium": (1, 5, 8, 12, 15, 19, 22),
    "short": (0, 4, 7, 11, 14, 18, 21),
}
CONFIG = evo2_checkpoint.Config(
    kinds=tuple(next(kind for kind, numbers in LAYERS.items() if layer in numbers) for layer in range(25)),
    width=1920,
    heads=15,
    hidden=5120,
    groups=128,
    taps=7,
    long_taps=128,
)
# A prompt of 128 shots: pairs of 8 bases, 17 tokens each with the delimiter, and the query.
TOKENS = 2184


def pooled(seed: int):
    """Matrices that are windows into one block of random numbers for each number of columns."""
    rng, pools = np.random.default_rng(seed), {}

    def matrix(rows: int, columns: int) -> np.ndarray:
        if columns not in pools:
            pools[columns] = rng.normal(0, columns**-0.5, 12_000_000).astype(ml_dtypes.bfloat16)
        start = int(rng.integers(0, pools[columns].size - rows * columns))
        return pools[columns][start : start + rows * columns].reshape(rows, columns)

    return matrix


def checkpoint(folder: Path) -> Path:
    """evo2_1b_base.pt in two parts."""
    table = evo2_checkpoint.tensors(CONFIG, 1, pooled(1))
    return evo2_checkpoint.write(folder / "evo2_1b_base.pt", table, parts=2)


def convert(source: Path, folder: Path) -> dict:
    """Seconds and peak memory of the converter."""
    start = time.perf_counter()
    subprocess.run([sys.executable, ROOT / "scripts" / "convert", source, "-o", folder], check=True)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    size = sum(file.stat().st_size for file in folder.iterdir()) / 1e9
    return {"conversion, s": seconds, "conversion, peak GB": peak, "model folder, GB": size}


class Session:
    """The graph in ONNX Runtime, with zero states."""

    def __init__(self, folder: Path, threads: int, profile: Path | None = None):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        if profile:
            options.enable_profiling, options.profile_file_prefix = True, str(profile)
        self.session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
        self.past = {
            value.name: np.zeros([{"B": 1, "P": 0}.get(size, size) for size in value.shape], np.float32)
            for value in self.session.get_inputs()
            if value.name.startswith("past")
        }
        self.read = 0

    def __call__(self, ids: np.ndarray) -> np.ndarray:
        """Logits after the last token; the states go on."""
        self.read += ids.shape[1]
        feed = {
            "input_ids": ids,
            "attention_mask": np.ones((1, self.read), np.int64),
            "positions": np.array([[ids.shape[1] - 1]]),
            "vocab_ids": np.zeros(0, np.int64),
            **self.past,
        }
        names = [value.name for value in self.session.get_outputs()]
        found = dict(zip(names, self.session.run(None, feed)))
        rename = lambda name: name.replace("past_key_values", "present").replace("past_states", "present_states")
        self.past = {name: found[rename(name)] for name in self.past}
        return found["logits"]


def product_rate(threads: int) -> float:
    """FLOP/s of ONNX Runtime's own product of two large matrices."""
    from onnx import TensorProto, helper

    size = 2048
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [size, size]) for name in "ABC"]
    graph = helper.make_graph([helper.make_node("MatMul", ["A", "B"], ["C"])], "product", info[:2], info[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feed = {name: np.random.default_rng(0).normal(size=(size, size)).astype(np.float32) for name in "AB"}
    session.run(None, feed)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        session.run(None, feed)
        times.append(time.perf_counter() - start)
    return 2 * size**3 / min(times)


def operations(tokens: int) -> float:
    """Floating-point operations of the matrix products and of attention over one prompt."""
    width, hidden = CONFIG.width, CONFIG.hidden
    layer = 4 * width**2 + 3 * width * hidden
    attention = len(LAYERS["attention"]) * 2 * tokens * width
    return 2.0 * tokens * (len(CONFIG.kinds) * layer + attention)


def shares(profile: Path) -> Counter:
    """Seconds of each node of one run, by the names of the nodes' branches and operators."""
    spent = Counter()
    for event in json.loads(profile.read_text()):
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            spent[event["name"].removesuffix("_kernel_time")] += event["dur"] / 1e6
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="use the model folder there, or leave it there")
    args = parser.parse_args()
    figures = {}
    with tempfile.TemporaryDirectory() as temp:
        folder = args.keep or Path(temp) / "model"
        if not folder.exists():
            figures |= convert(checkpoint(Path(temp)), folder)
        start = time.perf_counter()
        session = Session(folder, args.threads)
        figures["loading, s"] = time.perf_counter() - start
        ids = np.random.default_rng(2).choice([65, 67, 71, 84], (1, TOKENS))
        session(ids)
        figures["product, GFLOP/s"] = product_rate(args.threads) / 1e9
        session = Session(folder, args.threads)
        start = time.perf_counter()
        session(ids)
        seconds = time.perf_counter() - start
        figures["tokens/s"] = TOKENS / seconds
        figures["GFLOP/s"] = operations(TOKENS) / seconds / 1e9
        steps = 8
        start = time.perf_counter()
        for _ in range(steps):
            session(ids[:, :1])
        figures["one token, s"] = (time.perf_counter() - start) / steps
        figures["peak GB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    for name, value in figures.items():
        print(f"{name:24} {value:10.3f}")


if __name__ == "__main__":
    main()
