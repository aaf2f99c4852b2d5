"""docs/troubleshooting.md names every message of exit codes 3 and 4 that the sources have, and no message that they do not.
Of exit codes 1 and 2 it has those that a user is likely to meet.
"""

import re
from pathlib import Path

import pytest
from pages import DOCS, ROOT

PAGE = (DOCS / "troubleshooting.md").read_text()
# What makes an error of exit code 3 or 4, or a part of one.
CALLS = re.compile(
    r"(?:Error::model|OutOfMemory|self\.failure|self\.wrong_line|Event::Unreadable)\(|\b(?P<closure>unusable|refuse|unknown|wrong)\("
    r"|const (?:ENDS|NO_GRAPH)|return format!\("
)
# A message whose words are a variable's, or those of another program.
SHORT = 8


def sources() -> dict[Path, str]:
    """The code of the library and the filters, without its tests."""
    paths = sorted((ROOT / "src").rglob("*.rs"))
    code = {path: path.read_text().split("#[cfg(test)]")[0] for path in paths}
    # A quotation mark as a character begins no string.
    return {path: re.sub(r"""b?'\\?"'""", "' '", text) for path, text in code.items()}


def literals(code: str) -> list[str]:
    """The strings in a piece of code, as they print but for what is put into them."""
    found = re.findall(r'"((?:[^"\\]|\\.|\\\n)*)"', code, re.DOTALL)
    return [re.sub(r"\\\n\s*", "", text).replace('\\"', '"') for text in found]


def span(code: str, start: int) -> str:
    """From here to where the parenthesis is closed, or the constant ends."""
    if code.startswith("const ", start):
        return code[start : code.index(";\n", start)]
    depth, at = 1, code.index("(", start) + 1
    while depth:
        depth += {"(": 1, ")": -1}.get(code[at], 0)
        at += 1
    return code[start:at]


def messages() -> dict[str, str]:
    """Every message of the predictors and filters, and the file that it is in."""
    wanted = (ROOT / "src" / "predictor", ROOT / "src" / "bin" / "infer")
    found: dict[str, str] = {}
    for path, code in sources().items():
        if not any(folder in path.parents for folder in wanted):
            continue
        for call in CALLS.finditer(code):
            if call["closure"] and not makes_model_errors(code[: call.start()], call["closure"]):
                continue
            for text in literals(span(code, call.start())):
                if max(map(len, fixed(text)), default=0) >= SHORT:
                    found[text] = str(path.relative_to(ROOT))
    return found


def makes_model_errors(before: str, closure: str) -> bool:
    """Whether the last closure of that name ends in exit code 3: others of the same name are about data."""
    defined = before.rpartition(f"let {closure} =")[2]
    return "Error::model" in defined[: defined.find(";")]


def fixed(message: str) -> list[str]:
    """The parts of a message of the sources that are always the same."""
    parts = re.split(r"(?<!\{)\{[^{}]*\}(?!\})", message)
    return [part.strip().replace("{{", "{").replace("}}", "}") for part in parts if part.strip()]


def entries() -> list[list[str]]:
    """The messages of the page, each in the parts between its dots."""
    rows = re.findall(r"^\| (`.*?) \| ", PAGE, re.MULTILINE)
    quoted = [text for row in rows for text in re.findall(r"`([^`]+)`", row)]
    return [[part.strip() for part in text.split("…") if part.strip()] for text in quoted if text.strip("… ")]


@pytest.mark.parametrize(("message", "path"), messages().items())
def test_every_message_has_a_cure(message, path):
    parts = fixed(message)
    plain = " ".join(parts)
    named = [entry for entry in entries() if all(part in plain for part in entry) and max(map(len, entry)) >= 4]
    assert named, f"{path}: docs/troubleshooting.md does not have {message!r}"


@pytest.mark.parametrize("entry", entries(), ids=" ".join)
def test_every_message_of_the_page_is_one_of_the_sources(entry):
    known = [" ".join(fixed(text)) for code in sources().values() for text in literals(code)]
    # The words of ONNX Runtime, the dynamic linker and the system.
    foreign = (
        "Failed to allocate memory", "std::bad_alloc", "cannot open shared object file",
        "No such file or directory", "No space left on device",
    )  # fmt: skip
    if not any(word in " ".join(entry) for word in foreign):
        assert any(all(part in text for part in entry) for text in known), entry
