"""`infer` on the CUDA device that computes nothing (tests/null_cuda/README.md), and what can be seen of it there."""

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
    """A finished `infer`: its exit code, its output and messages, and the device's report."""

    code: int
    out: str
    err: str
    report: dict

    @property
    def records(self) -> list[dict]:
        return [json.loads(line) for line in self.out.splitlines()]

    def refused(self, code: int, *words: str) -> None:
        """It ended with this code, one line and no record."""
        assert self.code == code and self.out == "", self
        assert self.err.startswith("infer: ") and self.err.count("\n") == 1, self.err
        for word in words:
            assert word in self.err, self.err


def run_infer(
    folder: Path, *arguments, prompts: str = "", device: str = "cuda", runtime: Path = RUNTIME, **variables
) -> Ran:
    """`infer` with arguments and environment variables; the report goes to `folder`."""
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
    """Where ONNX Runtime runs a graph: the operators of each provider, where there is more than one; the copies added."""

    operators: dict[str, Counter]
    copies: int


def placement(log: str) -> Placement:
    """What ONNX Runtime says of it when it is verbose (ORT_LOG=verbose)."""
    operators, provider = {}, None
    for line in log.splitlines():
        if found := re.search(r"[Nn]ode\(?s\)? placed on \[(\w+)\]", line):
            provider = found[1]
            operators[provider] = Counter()
        elif found := re.search(r"VerifyEachNodeIsAssignedToAnEp\]\s+(\w+) \(", line):
            operators[provider][found[1]] += 1
    return Placement(operators, log.count(" AddCopyNode]"))


def filtered(name: str, *arguments, text: str = "") -> str:
    """What one of the filters makes of a text."""
    program = Path(os.environ["SHOTLINE_BIN"]).resolve() / name
    return subprocess.run([program, *arguments], input=text, capture_output=True, text=True, check=True).stdout
