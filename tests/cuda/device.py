"""Run `infer` on a CUDA device that computes nothing (tests/null_cuda/README.md), and read the device's report."""

import json
import os
import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = ROOT / "runtime-cuda"
NULL_CUDA = ROOT / "target" / "null_cuda"


@dataclass(frozen=True)
class Ran:
    """A finished run of `infer`: the exit code, standard output, the messages and the device's report."""

    code: int
    out: str
    err: str
    report: dict

    @property
    def records(self) -> list[dict]:
        return [json.loads(line) for line in self.out.splitlines()]

    def refused(self, code: int, *words: str) -> None:
        """Checks that `infer` failed with this exit code: one message line with these words, and no record."""
        assert self.code == code and self.out == "", self
        assert self.err.startswith("infer: ") and self.err.count("\n") == 1, self.err
        for word in words:
            assert word in self.err, self.err


def run_infer(
    folder: Path, *arguments, prompts: str = "", device: str = "cuda", runtime: Path = RUNTIME, **variables
) -> Ran:
    """Runs `infer` with arguments and environment variables (`variables`). The report goes to `folder`."""
    infer = Path(os.environ["SHOTLINE_BIN"]).resolve() / "infer"
    command = [infer, "--device", device, "--ort-lib", runtime, *arguments]
    report = folder / "report.json"
    report.unlink(missing_ok=True)
    environment = {"LD_LIBRARY_PATH": NULL_CUDA, "NULL_CUDA_REPORT": report, **variables}
    done = subprocess.run(
        list(map(str, command)),
        input=prompts,
        capture_output=True,
        text=True,
        env=os.environ | {name: str(value) for name, value in environment.items()},
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr, json.loads(report.read_text()) if report.exists() else {})


@dataclass(frozen=True)
class Placement:
    """Where ONNX Runtime runs a graph: the operators of each provider, and the number of copies that it adds.

    ONNX Runtime lists the operators only if a graph uses more than one provider.
    """

    operators: dict[str, Counter]
    copies: int


def placement(log: str) -> Placement:
    """Reads the placement from ONNX Runtime's verbose log (ORT_LOG=verbose)."""
    operators, provider = {}, None
    for line in log.splitlines():
        if found := re.search(r"[Nn]ode\(?s\)? placed on \[(\w+)\]", line):
            provider = found[1]
            operators[provider] = Counter()
        elif found := re.search(r"VerifyEachNodeIsAssignedToAnEp\]\s+(\w+) \(", line):
            operators[provider][found[1]] += 1
    return Placement(operators, log.count(" AddCopyNode]"))


def filtered(name: str, *arguments, text: str = "") -> str:
    """Runs a filter on a text and returns the output."""
    program = Path(os.environ["SHOTLINE_BIN"]).resolve() / name
    return subprocess.run([program, *arguments], input=text, capture_output=True, text=True, check=True).stdout
