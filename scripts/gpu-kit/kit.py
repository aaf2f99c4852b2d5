"""What the stages of `check` share: the paths, running the filters, and the file of results."""

import contextlib
import itertools
import json
import os
import subprocess
import sys
import sysconfig
import threading
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# The programs lie in bin/ in the kit, or in target/release/ in the project's own folder.
BIN = next(path for path in (ROOT / "bin", ROOT / "target" / "release") if path.is_dir())
LIBRARY = next(path for path in (ROOT / "lib", ROOT / "runtime-cuda", ROOT / "runtime") if path.is_dir())
# Packages from the kit's wheels that the machine does not have.
SITE = ROOT / "site"
NEEDED = {"onnx": "onnx", "ml_dtypes": "ml_dtypes", "gguf": "gguf", "google.protobuf": "protobuf"}

sys.path[:0] = [str(ROOT / path) for path in ("tests/python", "tests/oracle", "tests/large")] + [str(SITE)]


class Failed(Exception):
    """A program did not do what it should; the message says which program."""


@dataclass(frozen=True)
class Ran:
    """A finished program."""

    code: int
    out: str
    err: str
    seconds: float


@dataclass(frozen=True)
class Answered:
    """A run of infer: its records, its measurements, its total time with loading, and the peak use of GPU memory."""

    records: list[dict]
    measured: dict
    seconds: float
    peak_bytes: int | None

    @property
    def tokens_per_second(self) -> float:
        return self.measured["tokens"] / self.measured["runtime_seconds"]


class Results:
    """A file of JSON lines. Each result is written to disk at once."""

    def __init__(self, path: Path):
        self.path = path

    def add(self, stage: str, name: str, status: str, **figures) -> None:
        """`status`: ok, wrong (it ran, but its numbers are not as required), failed, or skipped."""
        line = json.dumps({"stage": stage, "name": name, "status": status, **figures})
        with self.path.open("a") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
        print(line if len(line) < 400 else f"{line[:400]}...", file=sys.stderr, flush=True)

    def read(self) -> list[dict]:
        return [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []


class Kit:
    """The tools that a stage uses."""

    def __init__(self, stage: str, results: Results, work: Path, device: str, is_dry: bool, deadline: float):
        self.stage, self.results, self.work = stage, results, work
        self.device, self.is_dry, self._deadline = device, is_dry, deadline
        self.threads = str(os.cpu_count())
        self._runs = itertools.count()

    @property
    def left(self) -> float:
        """Seconds left until the stage must end."""
        return self._deadline - time.monotonic()

    def add(self, name: str, is_right: bool, **figures) -> None:
        self.results.add(self.stage, name, "ok" if is_right else "wrong", **figures)

    def skip(self, name: str, because: str) -> None:
        self.results.add(self.stage, name, "skipped", because=because)

    def run(self, *command, text: str = "", **variables) -> Ran:
        begun = time.monotonic()
        done = subprocess.run(
            list(map(str, command)),
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=max(self.left, 1),
            env=environment() | {name: str(value) for name, value in variables.items()},
        )
        return Ran(done.returncode, done.stdout, done.stderr, time.monotonic() - begun)

    def must(self, *command, text: str = "", **variables) -> Ran:
        ran = self.run(*command, text=text, **variables)
        if ran.code != 0:
            raise Failed(f"{Path(str(command[0])).name} ended with {ran.code}: {ran.err[-2000:]}")
        return ran

    def convert(self, source: Path, *options) -> Path:
        """The model folder of a checkpoint, converted once for each choice of options and named after them."""
        folder = self.work / "-".join([source.name.removesuffix(".pt"), *(option.strip("-") for option in options)])
        if not folder.exists():
            self.must(sys.executable, ROOT / "scripts" / "convert", source, "-o", folder, *options)
        return folder

    def for_device(self, weights: str) -> tuple[str, ...]:
        """The converter's options for this device."""
        return ("--device", self.device, "--weights", weights)

    def prompts(self, alphabet: str, shots: str, functions: int, design: str = "independent") -> str:
        """Prompts in the papers' format: one trial for each shot count and each of `functions` functions."""
        draw = ("--suite", "paper", "--shots", shots, "--trials", 1, "--seed", 7, "--design", design, "--quiet")
        trials = [json.loads(line) for line in self.must(BIN / "gen-tasks", *draw).out.splitlines()]
        names = list(dict.fromkeys(trial["function"] for trial in trials))[:functions]
        text = "".join(json.dumps(trial) + "\n" for trial in trials if trial["function"] in names)
        return self.must(BIN / "encode", "--alphabet", alphabet, "--quiet", text=text).out

    def infer(self, model: Path, prompts: str, *options, device: str | None = None, **variables) -> Answered:
        """Runs infer. Raises Failed if it fails."""
        out = self.work / f"answers-{os.getpid()}-{next(self._runs)}.jsonl"
        device = device or self.device
        with gpu_memory(device) as peak:
            ran = self.must(
                *(BIN / "infer", "--model", model, "--device", device, "--ort-lib", LIBRARY, "--threads", self.threads),
                *("--quiet", "-o", out, *options),
                text=prompts,
                **variables,
            )
        chain = json.loads(out.with_name(f"{out.name}.provenance.json").read_text())
        records = [json.loads(line) for line in out.read_text().splitlines()]
        return Answered(records, chain[-1]["measured"], ran.seconds, max(peak, default=None))

    def product_rate(self) -> float | None:
        """Operations per second in the card's bfloat16 matrix products, as the doctor measured them."""
        rates = [row["product_rate"] for row in self.results.read() if row.get("product_rate")]
        return rates[-1] if rates else None


def environment() -> dict[str, str]:
    """The environment, with the CUDA libraries of Python packages added to the dynamic linker's search path."""
    places = {Path(path) for path in (*sys.path, sysconfig.get_paths()["purelib"]) if path}
    found = sorted({str(folder) for place in places for folder in place.glob("nvidia/*/lib")})
    before = os.environ.get("LD_LIBRARY_PATH")
    path = os.pathsep.join([*([before] if before else []), *found])
    python = os.pathsep.join([str(SITE), *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | {"LD_LIBRARY_PATH": path, "PYTHONPATH": python}


def install() -> None:
    """Installs the packages that the converter needs and the machine lacks."""
    lacking = []
    for module, package in NEEDED.items():
        try:
            __import__(module)
        except ImportError:
            lacking.append(package)
    if not lacking:
        return
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]
    command = [*pip, "--find-links", ROOT / "wheels", "--target", SITE, *lacking]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"no {', '.join(lacking)}, and the kit's wheels do not suit this Python: {done.stderr.strip()}")


@contextlib.contextmanager
def gpu_memory(device: str):
    """A list that fills with the bytes of GPU memory newly in use. It stays empty if nvidia-smi reports nothing."""
    seen: list[int] = []
    if device != "cuda":
        yield seen
        return
    command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "--loop-ms=100"]
    try:
        watch = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except OSError:
        yield seen
        return

    mebibytes = lambda line: int(line) if line.strip().isdigit() else 0
    before = mebibytes(watch.stdout.readline())

    def listen() -> None:
        for line in watch.stdout:
            seen.append((mebibytes(line) - before) << 20)

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        yield seen
    finally:
        watch.kill()
        watch.wait()
        listener.join()
