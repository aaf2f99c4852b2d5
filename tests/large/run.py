"""Run models of true size with random weights, from checkpoint to answers, and print time, memory and tokens/s.

    make test-large                      (every model; needs about 10 GB of disk and 10 GB of memory)
    python3 tests/large/run.py NAME..    (in the environment of scripts/requirements/test.txt)

For each model, the script writes a checkpoint in the published format and type, converts it, and runs `infer` on the
paper's prompts at 128 shots. Each figure comes from one run; the machine should do nothing else. The machine's rate of
float32 matrix products is printed for comparison. The script ends with 1 if a conversion needs more than 1 GB beside
the largest tensor, or if a run fails. All files lie in a temporary folder (in SHOTLINE_LARGE_DIR, if set), which is
removed at the end.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import evo2_shapes
import qwen3_shapes

ROOT = Path(__file__).resolve().parents[2]
# A small process starts the measured program, because Linux also counts the memory that a process had before its exec.
MEASURE = (
    "import resource, subprocess, sys; code = subprocess.run(sys.argv[1:]).returncode; "
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr); sys.exit(code)"
)


@dataclass(frozen=True)
class Large:
    """A model of true size. `write` makes the checkpoint in a new folder and returns the path for scripts/convert."""

    write: Callable[[Path], Path]
    alphabet: str
    prompts: int
    weights: tuple[str, ...]
    # In the checkpoint, as stored.
    largest_tensor_bytes: int
    # Multiplications and additions per token: twice the weights that a token is multiplied with, without attention.
    operations: float


QWEN3, EVO2_1B = qwen3_shapes.SHAPES["qwen3-0.6b"], evo2_shapes.SHAPES["evo2_1b_base"]


def write_evo2_1b(folder: Path) -> Path:
    return evo2_shapes.write(folder, "evo2_1b_base", EVO2_1B, parts=2)


MODELS = {
    "qwen3-0.6b": Large(
        write=lambda folder: qwen3_shapes.write(folder, QWEN3),
        alphabet="linguistic",
        prompts=3,
        weights=("float32", "bfloat16"),
        largest_tensor_bytes=QWEN3.largest_tensor_bytes,
        operations=2 * QWEN3.layer_weights,
    ),
    "evo2-1b": Large(
        write=write_evo2_1b,
        alphabet="genomic",
        prompts=2,
        weights=("float32", "bfloat16"),
        largest_tensor_bytes=2 * EVO2_1B.hidden * EVO2_1B.width,
        operations=2 * evo2_shapes.layer_weights(EVO2_1B),
    ),
}


@dataclass(frozen=True)
class Measured:
    """A finished program: standard output and error, wall time, and peak memory in MB (10^6 bytes)."""

    out: str
    err: str
    seconds: float
    megabytes: float


def measure(*command, text: str = "") -> Measured:
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *map(str, command)], input=text, capture_output=True, text=True, check=False
    )
    seconds = time.monotonic() - begun
    err, _, kilobytes = done.stderr.rstrip().rpartition("\n")
    if done.returncode != 0:
        sys.exit(f"{command[0]} ended with {done.returncode}: {done.stderr}")
    return Measured(done.stdout, err, seconds, int(kilobytes) * 1024 / 1e6)


def binary(name: str) -> Path:
    return Path(os.environ.get("SHOTLINE_BIN", ROOT / "target" / "release")).resolve() / name


def prompts(model: Large) -> str:
    """The paper's prompts at 128 shots, one for each of a few functions."""
    drawn = measure(binary("gen-tasks"), "--suite", "paper", "--shots", "128", "--trials", "1").out
    some = "".join(line + "\n" for line in drawn.splitlines()[: model.prompts])
    return measure(binary("encode"), "--alphabet", model.alphabet, text=some).out


def sgemm_rate() -> float:
    """Float32 operations per second in matrix products on this machine, the best of a few."""
    size, best = 2048, 0.0
    a = np.random.default_rng(0).standard_normal((size, size), np.float32)
    for _ in range(5):
        begun = time.monotonic()
        a @ a
        best = max(best, 2 * size**3 / (time.monotonic() - begun))
    return best


def library() -> list[str]:
    found = sorted((ROOT / "runtime").glob("libonnxruntime.so*"))
    return ["--ort-lib", str(found[0])] if found else []


def run(name: str, model: Large) -> None:
    text = prompts(model)
    tokens = [len(json.loads(line)["prompt"]) for line in text.splitlines()]
    print(f"{name}: {len(tokens)} prompts of {tokens[0]} tokens")
    with tempfile.TemporaryDirectory(dir=os.environ.get("SHOTLINE_LARGE_DIR")) as temp:
        source = model.write(Path(temp) / "checkpoint")
        for weights in model.weights:
            folder = Path(temp) / weights
            convert = [sys.executable, ROOT / "scripts" / "convert", source, "-o", folder, "--weights", weights]
            done = measure(*convert, "--name", name)
            size = sum(path.stat().st_size for path in folder.iterdir())
            print(f"  {weights}: converted in {done.seconds:.0f} s, peak {done.megabytes:,.0f} MB, {size / 1e9:.2f} GB")
            if done.megabytes * 1e6 > 1e9 + model.largest_tensor_bytes:
                sys.exit(f"{name}: the conversion needed more than 1 GB beside the largest tensor")
            for method in ("score", "generate"):
                answer(folder, method, text, model.operations)


def answer(folder: Path, method: str, text: str, operations: float) -> None:
    done = measure(binary("infer"), "--model", folder, "--method", method, *library(), text=text)
    rows = [json.loads(line) for line in done.out.splitlines()]
    if len(rows) != len(text.splitlines()) or any(row["output"] is None for row in rows):
        sys.exit(f"{folder.name}: {len(rows)} answers for {len(text.splitlines())} prompts")
    rate = float(re.search(r"([\d.]+) (?:prompt )?tokens/s", done.err)[1])
    peak = sgemm_rate()
    print(
        f"    {method}: {rate:.0f} prompt tokens/s, peak {done.megabytes:,.0f} MB, {done.seconds:.0f} s with loading; "
        f"{rate * operations / 1e9:.0f} GFLOP/s, {rate * operations / peak:.0%} of sgemm ({peak / 1e9:.0f} GFLOP/s)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", default=list(MODELS), help=", ".join(MODELS))
    names = parser.parse_args().names
    for name in names:
        if name not in MODELS:
            parser.error(f"{name}: expected one of {', '.join(MODELS)}")
    for name in names:
        run(name, MODELS[name])


if __name__ == "__main__":
    main()
