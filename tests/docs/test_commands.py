"""Test the commands in docs/: each runs and prints what the page shows.

    SHOTLINE_BIN=target/release python3 -m pytest tests/docs/test_commands.py

Each page has a folder, where the blocks of the page run one after the other. In a `console` block, the lines below a
command are the expected output. A block after a comment such as `<!-- not run: a GPU -->` does not run. The test only
checks that the programs accept every option of the commands in it.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from filters import BIN, ENVIRONMENT
from pages import ELSEWHERE, ROOT, Block, blocks, indented, name, pages

FILTERS = ("gen-tasks", "encode", "infer", "score", "fit-loglinear", "contrast", "figure", "merge-shards")
SCRIPTS = {
    "shotline-convert": "scripts/convert",
    "scripts/convert": "scripts/convert",
    "scripts/import-published": "scripts/import-published",
}
REASONS = (
    "CUDA", "a GPU", "a cluster", "a server", "an hour", "packages", "the checkout is built", "vLLM and weights", "weights",
    "your files",
)  # fmt: skip
RUN = {**ENVIRONMENT, "PATH": f"{BIN}:{os.environ['PATH']}"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A function that returns a page's folder, with links to models, assets and scripts of the checkout."""
    made: dict[str, Path] = {}

    def of(page: Path) -> Path:
        if name(page) not in made:
            folder = made[name(page)] = tmp_path_factory.mktemp("page")
            for shared in ("models", "assets", "scripts"):
                (folder / shared).symlink_to(ROOT / shared)
        return made[name(page)]

    return of


def said(command: str, folder: Path) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command], cwd=folder, env=RUN, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def of_kind(kind) -> list:
    found = [(page, block) for page in pages() for block in blocks(page) if kind(block)]
    return [pytest.param(page, block, id=block.place) for page, block in found]


def is_run(block: Block) -> bool:
    return block.language in ("sh", "console", "python") and block.is_run


@pytest.mark.parametrize(("page", "block"), of_kind(is_run))
def test_a_block_runs_and_prints_what_the_page_shows(page, block, folders):
    folder = folders(page)
    if block.language == "sh":
        said(block.text, folder)
    elif block.language == "python":
        script = [sys.executable, "-c", block.text]
        done = subprocess.run(script, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True)
        assert done.stdout.strip() in page.read_text()
    else:
        for shown in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            command, expected = shown.split("\n", 1)
            agrees(said(command, folder), expected, block.remark)


def agrees(found: str, expected: str, remark: str) -> None:
    """Checks that the output is the expected one. Where a model answered, numbers may differ within a bound.

    The reason is that a model's logits differ in the last digits between machines. The remark gives the bound. p-values
    and r2 vary more than accuracies, so their bound is wider. The rows of the tables must be the same.
    """
    if not remark:
        assert found == expected
        return
    within = float(re.fullmatch(r"answers of a model: numbers within (\S+)", remark)[1])
    (head, *rows), (expected_head, *expected_rows) = cells(found), cells(expected)
    assert head == expected_head
    for row, expected_row in zip(rows, expected_rows, strict=True):
        for column, here, there in zip(head, row, expected_row, strict=True):
            may = 0.5 if column in ("p", "p_mode_paired", "r2", "trial_p") else within
            assert here == there or abs(float(here) - float(there)) <= may, (column, found)


def cells(table: str) -> list[list[str]]:
    return [line.split() for line in table.splitlines() if not line.startswith("#")]


@pytest.mark.parametrize(("page", "block"), of_kind(lambda block: block.language == "sh" and not block.is_run))
def test_a_block_that_is_not_run_has_options_that_there_are(page, block, tmp_path):
    assert block.remark.removeprefix("not run: ") in REASONS
    assert check(block.text, tmp_path) > 0, block


@pytest.mark.parametrize("page", ELSEWHERE)
def test_commands_of_the_other_pages_have_options_that_there_are(page, tmp_path):
    text = (ROOT / page).read_text()
    if "```console" in text:
        text = "\n".join(re.findall(r"^\$ (.*(?:\n    .*)*)", text, re.MULTILINE))
    else:
        text = indented(ROOT / page)
    assert check(text, tmp_path) >= 8


@pytest.mark.parametrize("page", pages(), ids=name)
def test_no_command_stands_in_a_block_without_a_language(page):
    starts = "|".join((*FILTERS, "make", "scripts/", "pip", "export"))
    assert not re.findall(rf"^(?: {{4}})(?:{starts}) ", page.read_text(), re.MULTILINE)
    for block in blocks(page):
        assert block.language, block.place


def check(text: str, folder: Path) -> int:
    """Checks every command of a script against the program that it calls. Returns the number of commands."""
    commands = 0
    for words in simple_commands(text):
        program, arguments = Path(words[0]), words[1:]
        if words[0] == "make":
            check_make(arguments)
        elif words[0] in FILTERS:
            accepts([BIN / program, *arguments], folder)
        elif any(word in SCRIPTS for word in words[:2]):
            script = next(i for i, word in enumerate(words[:2]) if word in SCRIPTS)
            accepts([sys.executable, ROOT / SCRIPTS[words[script]], *words[script + 1 :]], folder)
        elif words[0] not in ("pip", "hf", "vllm", "python3", "./unpack") and not words[0].startswith("env/bin/"):
            continue
        commands += 1
    return commands


def simple_commands(text: str) -> list[list[str]]:
    """The commands of a script, without comments, operators and redirections."""
    quoted: list[str] = []

    def hide(match: re.Match) -> str:
        quoted.append(match[0])
        return f"\0{len(quoted) - 1}\0"

    def show(word: str) -> str:
        return re.sub(r"\0(\d+)\0", lambda match: shlex.split(quoted[int(match[1])])[0], word)

    text = re.sub(r"(?<!\S)#.*", "", text)
    text = re.sub(r"""'[^']*'|"(?:[^"\\]|\\.)*\"""", hide, text.replace("\\\n", " ").replace("$1", "1"), flags=re.DOTALL)
    found: list[list[str]] = []
    for line in text.splitlines():
        for command in re.split(r"[|&;(){}<>]+", line):
            words = [show(word) for word in command.split()]
            found += [words] if words else []
    return found


def accepts(command: list, folder: Path) -> None:
    """Runs a command without its input files. It may fail, but not with exit code 2 (wrong usage)."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=RUN,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 2, f"{shlex.join(map(str, command))}\n{done.stderr}"


def check_make(words: list[str]) -> None:
    """Checks that a makefile, or a script that reads settings, has each target and setting of a `make` command."""
    scripts = [path for kind in ("*.mk", "slurm/*.py") for path in sorted((ROOT / "scripts").glob(kind))]
    rules = "".join(path.read_text() for path in (ROOT / "Makefile", *scripts))
    for word in words:
        setting = re.match(r"([A-Z_]+)=", word)
        pattern = rf"\b{setting[1]}\b" if setting else rf"^{re.escape(word)}:"
        assert word.startswith("-") or re.search(pattern, rules, re.MULTILINE), f"make {word}"
