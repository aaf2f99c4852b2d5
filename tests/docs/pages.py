"""Find the code blocks in the pages of docs/."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
# Other tests run the commands of these pages: tests/python/test_readme.py, tests/claims.rs.
ELSEWHERE = ("README.md", "docs/questions.md", "docs/claims.md")


@dataclass(frozen=True)
class Block:
    """A fenced block: the place (page:line), the language, the text of the comment before the block, and the lines."""

    place: str
    language: str
    remark: str
    text: str

    @property
    def is_run(self) -> bool:
        return not self.remark.startswith("not run: ")


def pages() -> list[Path]:
    return sorted(page for page in DOCS.rglob("*.md") if name(page) not in ELSEWHERE)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text()
    found = re.finditer(r"(?:^<!-- ([^\n]*) -->\n)?^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [
        Block(f"{name(page)}:{text.count(chr(10), 0, match.start()) + 1}", match[2], match[1] or "", match[3])
        for match in found
    ]


def indented(page: Path) -> str:
    """The lines that are indented by four columns: the commands of a page in ELSEWHERE."""
    return "\n".join(re.findall(r"^ {4}(.*)$", page.read_text(), re.MULTILINE))
