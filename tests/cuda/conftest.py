"""Fixtures for the CUDA tests: model folders of every family with seeded random weights, and prompts.

The models are converted for CUDA with the command that a user runs.
"""

import json
import sys
from pathlib import Path

import pytest

from device import ROOT, filtered

sys.path[:0] = [str(ROOT / "tests" / "python"), str(ROOT / "tests" / "oracle")]

import evo1_checkpoint  # noqa: E402
import evo2_checkpoint  # noqa: E402
import hyenadna_checkpoint  # noqa: E402
import imagegpt_checkpoint  # noqa: E402
from converter import convert  # noqa: E402
from seeded_models import tokenizer_json, write_seeded  # noqa: E402

SEED = 11
# One layer of each kind.
EVO2 = evo2_checkpoint.Config(
    kinds=("short", "attention", "long", "medium"), width=32, heads=2, hidden=48, groups=4, taps=5, long_taps=130
)


def make(family: str, weights: str, temp: Path) -> Path:
    options = ("--device", "cuda", "--weights", weights)
    if family == "evo2":
        source = evo2_checkpoint.write(temp / "m.pt", evo2_checkpoint.tensors(EVO2, SEED))
        options += ("--rope-scaling", str(EVO2.scaling), "--max-positions", "2048")
    elif family == "evo1":
        config = evo1_checkpoint.drawn(SEED)
        source = evo1_checkpoint.write(temp / "source", config, evo1_checkpoint.tensors(config, SEED))
    elif family == "hyenadna":
        config = hyenadna_checkpoint.drawn(SEED)
        source = hyenadna_checkpoint.write(temp / "source", config, hyenadna_checkpoint.tensors(config, SEED))
    elif family == "imagegpt":
        config = imagegpt_checkpoint.drawn(SEED)
        source = imagegpt_checkpoint.write(temp / "source", config, imagegpt_checkpoint.tensors(config, SEED))
    else:
        source = temp / "source"
        write_seeded(source, family, SEED)
    folder = convert(source, temp / "model", *options)
    if family == "imagegpt":
        # The first colours get the names of the other families' tokens, so that all families share the prompts.
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer_json(begins=False)))
    # The device always answers token 0, so token 0 must not be the token that ends an answer.
    config = json.loads((folder / "config.json").read_text())
    assert config["eos_token_id"] == {"hyenadna": 1, "imagegpt": None}.get(family, 0)
    (folder / "config.json").write_text(json.dumps(config | {"eos_token_id": 1}))
    return folder


@pytest.fixture(scope="session")
def converted(tmp_path_factory):
    """A function that returns the folder of a family's model. Each folder is made once."""
    made = {}

    def of(family: str, weights: str = "bfloat16") -> Path:
        if (family, weights) not in made:
            made[family, weights] = make(family, weights, tmp_path_factory.mktemp(family))
        return made[family, weights]

    return of


FIGURES: list[str] = []


@pytest.fixture(scope="session")
def figures() -> list[str]:
    """Lines that pytest prints at the end."""
    return FIGURES


def pytest_terminal_summary(terminalreporter):
    for line in FIGURES:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def prompts():
    """A function that returns a family's prompts: independent and nested, several of each length, up to 280 symbols."""

    def of(family: str) -> str:
        alphabet = "genomic" if family in ("evo1", "evo2", "hyenadna") else "linguistic"
        text = ""
        for design in ("independent", "nested"):
            drawn = filtered("gen-tasks", *"--suite paper --bits 8 --shots 1,4,16 --trials 1 --seed 5".split(), *("--design", design))
            text += filtered("encode", "--alphabet", alphabet, text="".join(drawn.splitlines(True)[:12]))
        return text

    return of
