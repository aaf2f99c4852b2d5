"""Test that docs/troubleshooting.md agrees with the error messages in the sources.

The page has every message of exit codes 3 and 4, and no message that is not in the sources. Of exit codes 1 and 2, the
page has the messages that a user is likely to meet.
"""

import re
from pathlib import Path

import pytest
from pages import DOCS, ROOT

PAGE = (DOCS / "troubleshooting.md").read_text()
# The calls that make an error of exit code 3 or 4, or a part of such an error.
CALLS = re.compile(
    r"(?:Error::model|OutOfMemory|self\.failure|self\.wrong_line|Event::Unreadable)\(|\b(?P<closure>unusable|refuse|unknown|wrong)\("
    r"|const (?:ENDS|NO_GRAPH)|return format!\("
)
# A message whose fixed parts are all shorter than this is left out: its words come from a variable or another program.
SHORT = 8


def sources() -> dict[Path, str]:
    """The code of the library and the filters, without the unit tests."""
    paths = sorted((ROOT / "src").rglob("*.rs"))
    code = {path: path.read_text().split("#[cfg(test)]")[0] for path in paths}
    # A quotation mark in a character literal does not begin a string.
    return {path: re.sub(r"""b?'\\?"'""", "' '", text) for path, text in code.items()}


def literals(code: str) -> list[str]:
    """The strings in a piece of code, as they print, with placeholders ({}) left in."""
    found = re.findall(r'"((?:[^"\\]|\\.|\\\n)*)"', code, re.DOTALL)
    return [re.sub(r"\\\n\s*", "", text).replace('\\"', '"') for text in found]


def span(code: str, start: int) -> str:
    """The code from `start` to the closing parenthesis, or to the end of the constant."""
    if code.startswith("const ", start):
        return code[start : code.index(";\n", start)]
    depth, at = 1, code.index("(", start) + 1
    while depth:
        depth += {"(": 1, ")": -1}.get(code[at], 0)
        at += 1
    return code[start:at]


def messages() -> dict[str, str]:
    """Every message of the predictors and of `infer`, and the path of the file that has the message."""
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
    """Whether the last closure of this name makes an error of exit code 3. Others of this name are about data."""
    defined = before.rpartition(f"let {closure} =")[2]
    return "Error::model" in defined[: defined.find(";")]


def fixed(message: str) -> list[str]:
    """The fixed parts of a message in the sources: the text between the placeholders."""
    parts = re.split(r"(?<!\{)\{[^{}]*\}(?!\})", message)
    return [part.strip().replace("{{", "{").replace("}}", "}") for part in parts if part.strip()]


def entries() -> list[list[str]]:
    """The messages on the page. Each is a list of the parts between ellipses (…)."""
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
    # These messages come from ONNX Runtime, the dynamic linker and the operating system.
    foreign = (
        "Failed to allocate memory", "std::bad_alloc", "cannot open shared object file",
        "No such file or directory", "No space left on device",
    )  # fmt: skip
    if not any(word in " ".join(entry) for word in foreign):
        assert any(all(part in text for part in entry) for text in known), entry
