"""The report in a real browser: it renders, tables sort, series can be hidden and are named, nothing is fetched, and
the console stays silent.

    SHOTLINE_BIN=target/release python3 -m pytest tests/python/test_report.py

Needs Chromium (Debian's package `chromium`, which `make test` installs if it can), driven over the DevTools
protocol.
"""

import itertools
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from browser import Tab, browser, tab  # noqa: F401

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "fixtures" / "figures"
BIN = Path(os.environ.get("SHOTLINE_BIN", ROOT / "target" / "release")).resolve()
HOSTILE = "<script>document.title='taken'</script><img src=x onerror=document.title='taken'>"


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """A report on all fixtures, including a model with a hostile name."""
    folder = tmp_path_factory.mktemp("report")
    names = [path.name for path in sorted(FIXTURES.glob("*.csv"))]
    for name in names:
        text = (FIXTURES / name).read_text()
        (folder / name).write_text(text.replace("evo2_7b", HOSTILE) if name == "scores.csv" else text)
    command = [BIN / "figure", "report", *names, "-o", "report.html", "--title", f"A & B {HOSTILE}"]
    subprocess.run([str(part) for part in command], cwd=folder, check=True)
    return folder / "report.html"


def test_it_renders_without_a_word_and_without_the_network(tab, report):
    tab.open(report)
    assert tab.complaints() == []
    assert all(url.startswith(("file://", "data:")) for url in tab.requests()), tab.requests()
    assert tab.evaluate("document.title") == f"A & B {HOSTILE}"
    assert tab.evaluate("document.querySelectorAll('script').length") == 1
    assert tab.evaluate("document.querySelectorAll('img').length") == 0
    pictures = tab.evaluate("""[...document.querySelectorAll('.picture svg')].map(svg => {
        const box = svg.getBoundingClientRect();
        return box.width > 200 && box.height > 80 && svg.querySelectorAll('path').length > 10;
    })""")
    assert len(pictures) >= 9 and all(pictures)
    # Every entry of the table of contents has a target.
    assert tab.evaluate("[...document.querySelectorAll('nav a')].every(a => document.querySelector(a.hash))")


def test_no_text_of_a_record_is_markup(tab, tmp_path):
    """Every free text in scores by function, contrasts and fits contains an attack."""
    lines = (
        "gen-tasks --task identity --task rotl1 --shots 2,4 --trials 2 --condition clean,deranged --quiet"
        " | encode --alphabet genomic | infer --model builtin:copy --name m --modality g -o p.jsonl;"
        " score p.jsonl --by task -o tasks.jsonl; score p.jsonl -o cells.jsonl; contrast p.jsonl -o contrasts.jsonl;"
        " fit-loglinear p.jsonl -o fits.jsonl"
    )
    paths = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": paths}
    subprocess.run(["bash", "-euo", "pipefail", "-c", lines], cwd=tmp_path, check=True, env=environment)
    attacked = 0
    for name in ("tasks", "cells", "contrasts", "fits"):
        records = [json.loads(line) for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()]
        for record in records:
            for key in ("model", "modality", "encoding", "template", "function"):
                if key in record:
                    record[key] = f"{record[key]}\" onmouseover='document.title=1' {HOSTILE} -->]]></svg></title>"
                    attacked += 1
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    command = [BIN / "figure", "report", "tasks.jsonl", "cells.jsonl", "contrasts.jsonl", "fits.jsonl", "-o", "r.html",
               "--title", "mine"]
    subprocess.run([str(part) for part in command], cwd=tmp_path, check=True)
    assert attacked > 20
    tab.open(tmp_path / "r.html")
    assert tab.complaints() == []
    assert tab.evaluate("document.title") == "mine"
    assert tab.evaluate("document.querySelectorAll('script').length") == 1
    assert tab.evaluate("document.querySelectorAll('img').length") == 0
    assert tab.evaluate("document.querySelectorAll('[onmouseover], [onerror]').length") == 0
    # The texts are still there, as plain text.
    assert tab.evaluate("document.body.textContent.includes('<img src=x onerror=')")


# The table of the campaign's models comes before it.
SCORES = "document.querySelectorAll('table')[1]"


def column(tab: Tab, heading: str) -> list[str]:
    """The values of a column of the scores, in the order shown."""
    return tab.evaluate(f"""(() => {{
        const table = {SCORES};
        const at = [...table.tHead.rows[0].cells].findIndex(c => c.textContent.trim() === {json.dumps(heading)});
        return [...table.tBodies[0].rows].map(r => r.cells[at].dataset.value ?? r.cells[at].textContent);
    }})()""")


def press(tab: Tab, heading: str) -> str:
    """Presses a heading. Returns the sort order that it then announces."""
    return tab.evaluate(f"""(() => {{
        const button = [...{SCORES}.tHead.querySelectorAll('button')]
            .find(b => b.textContent.trim() === {json.dumps(heading)});
        button.click();
        return button.parentElement.getAttribute('aria-sort');
    }})()""")


def test_tables_sort_numbers_and_text_both_ways_and_keep_rows_whole(tab, report):
    tab.open(report)
    pairs = sorted(zip(column(tab, "model"), column(tab, "accuracy"), strict=True))
    unsorted = [float(value) for value in column(tab, "accuracy")]
    assert unsorted != sorted(unsorted)
    assert press(tab, "accuracy") == "ascending"
    assert [float(value) for value in column(tab, "accuracy")] == sorted(unsorted)
    assert press(tab, "accuracy") == "descending"
    assert [float(value) for value in column(tab, "accuracy")] == sorted(unsorted, reverse=True)
    assert press(tab, "model") == "ascending"
    models = column(tab, "model")
    assert sorted(zip(models, column(tab, "accuracy"), strict=True)) == pairs
    # Models stay grouped. Sizes sort as numbers: 4B before 14B.
    assert [model for model, _ in itertools.groupby(models)] == list(dict.fromkeys(models))
    assert models.index("Qwen3-4B-Base") < models.index("Qwen3-14B-Base")
    assert tab.evaluate(f"{SCORES}.querySelectorAll('[aria-sort]').length") == 1
    assert tab.complaints() == []


def point_at(tab: Tab, element: str) -> None:
    """Moves the pointer to the middle of an element."""
    x, y = tab.evaluate(f"""(() => {{
        const element = {element};
        element.scrollIntoView({{ block: "center" }});
        const box = element.getBoundingClientRect();
        return [box.left + box.width / 2, box.top + box.height / 2];
    }})()""")
    tab.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)


def key(tab: Tab, name: str) -> None:
    text = {"text": "\r"} if name == "Enter" else {}
    tab.call("Input.dispatchKeyEvent", type="keyDown", key=name, code=name, **text)
    tab.call("Input.dispatchKeyEvent", type="keyUp", key=name, code=name)


def group(name: str, kind: str) -> str:
    return f"[...document.querySelectorAll('.picture .{kind}')].filter(g => g.ariaLabel === {json.dumps(name)})"


def test_a_series_is_hidden_and_shown_in_all_figures_by_pointer_and_by_keyboard(tab, report):
    tab.open(report)
    name = "Qwen3-4B-Base"
    series, labels = group(name, "series"), group(name, "label")
    figures = tab.evaluate(f"new Set({series}.map(g => g.ownerSVGElement)).size")
    assert figures >= 2 and tab.evaluate(f"{labels}.length") >= 2

    def shown() -> set[str]:
        pressed = set(tab.evaluate(f"{labels}.map(g => g.getAttribute('aria-pressed'))"))
        displayed = set(tab.evaluate(f"{series}.map(g => getComputedStyle(g).display)"))
        return pressed | displayed

    assert shown() == {"true", "inline"}
    point_at(tab, f"{labels}[0]")
    x, y = tab.evaluate(f"(() => {{ const b = {labels}[0].getBoundingClientRect();"
                        "return [b.left + b.width / 2, b.top + b.height / 2]; })()")
    for kind in ("mousePressed", "mouseReleased"):
        tab.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
    assert shown() == {"false", "none"}
    others = "[...document.querySelectorAll('.picture .series:not(.off)')].length"
    assert tab.evaluate(others) > 0
    tab.evaluate(f"{labels}[1].focus()")
    key(tab, "Enter")
    assert shown() == {"true", "inline"}
    tab.evaluate(f"{series}.find(g => g.querySelector('.point')).dispatchEvent(new Event('click'))")
    assert shown() == {"false", "none"}
    assert tab.complaints() == []


def test_marks_say_their_value_interval_and_number_under_the_pointer_and_by_arrow_keys(tab, report):
    tab.open(report)
    said = "document.getElementById('said').textContent"
    point_at(tab, "document.querySelector('#figure-1 .series.model .point')")
    assert re.fullmatch(r".+: \d+ shots? \d\.\d{4} \[\d\.\d{4}, \d\.\d{4}\](, \d+ trials)?", tab.evaluate(said))
    gap = "[...document.querySelectorAll('.point')].find(p => p.ariaLabel.includes('functions'))"
    point_at(tab, gap)
    assert re.search(r" \d+ shots? .*\], 8 functions$", tab.evaluate(said))
    # Move the pointer away: a mark that scrolls under it would be named, too.
    tab.call("Input.dispatchMouseEvent", type="mouseMoved", x=1, y=1)
    tab.evaluate("document.querySelector('#figure-1 .label[role]').focus()")
    seen = []
    for name in ("ArrowRight", "ArrowRight", "ArrowLeft"):
        key(tab, name)
        seen.append(tab.evaluate(said))
    assert seen[0] == seen[2] != seen[1]
    label = tab.evaluate("document.activeElement.ariaLabel")
    assert [text.split(": ")[0] for text in seen] == [label] * 3
    assert tab.complaints() == []


def test_a_row_of_a_table_lights_up_its_curves(tab, report):
    tab.open(report)
    lit = "[...new Set([...document.querySelectorAll('.picture .series.lit')].map(g => g.ariaLabel))]"

    def models() -> list[str]:
        return column(tab, "model")

    at = models().index("Qwen3-4B-Base")
    point_at(tab, f"{SCORES}.tBodies[0].rows[{at}].cells[0]")
    assert "Qwen3-4B-Base" in tab.evaluate(lit)
    assert all(name.startswith("Qwen3-4B-Base") for name in tab.evaluate(lit))
    tab.call("Input.dispatchMouseEvent", type="mouseMoved", x=1, y=1)
    tab.evaluate(f"{SCORES}.tBodies[0].rows[0].focus()")
    assert models()[0] == HOSTILE or models()[0] in tab.evaluate(lit)
    while tab.evaluate("document.activeElement.rowIndex") <= at:
        key(tab, "ArrowDown")
    assert "Qwen3-4B-Base" in tab.evaluate(lit)
    opacity = "getComputedStyle(document.querySelector('.dim .series:not(.lit)')).opacity"
    assert float(tab.evaluate(opacity)) < 0.5
    tab.evaluate("document.activeElement.blur()")
    assert tab.evaluate(lit) == []
    assert tab.complaints() == []


def test_a_dark_page_has_light_ink_in_its_figures(tab, report):
    def shades(scheme: str) -> list[int]:
        tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        tab.open(report)
        colours = tab.evaluate("""[getComputedStyle(document.body).backgroundColor,
            getComputedStyle(document.querySelector('.picture svg > path')).fill,
            getComputedStyle(document.querySelector('.picture .axis .text')).fill]""")
        return [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours]

    assert shades("light") == [765, 765, 78]
    page, paper, ink = shades("dark")
    assert page == paper < 100 and ink > 600
    # No mark has its own print colour, except coloured cells and their scale.
    assert tab.evaluate("""(() => {
        const rgb = (hex) => `rgb(${hex.match(/\\w\\w/g).map((c) => parseInt(c, 16)).join(", ")})`;
        const kept = (path, name) => path.hasAttribute(name) && getComputedStyle(path)[name] === rgb(path.getAttribute(name));
        return [...document.querySelectorAll('.picture path')]
            .filter((path) => !path.closest('.cell') && (path.matches('.text') || !path.closest('.scale')))
            .filter((path) => ['fill', 'stroke'].some((name) => kept(path, name)))
            .map((path) => path.outerHTML.slice(-200));
    })()""") == []


def test_every_mark_of_a_figure_is_reached_from_a_label(tab, report):
    """This includes rows: from the label of a series to its value in each row."""
    tab.open(report)
    assert tab.evaluate("""[...document.querySelectorAll('.picture svg')].every((svg) =>
        [...svg.querySelectorAll('.point')].every((point) =>
            [...svg.querySelectorAll('.label[role]')].some((label) =>
                label.ariaLabel === point.closest('.series').ariaLabel)))""")
    tab.evaluate("document.querySelector('svg:has(.rows) .label[role]').focus()")
    key(tab, "ArrowRight")
    said = tab.evaluate("document.getElementById('said').textContent")
    assert re.fullmatch(r".+, \d+ shots?: \w+ −?-?\d\.\d{4}( \[.+\])?(, \d+ functions)?", said), said


def test_on_a_phone_nothing_but_figures_and_tables_scrolls_sideways(tab, report):
    tab.call("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=2, mobile=True)
    tab.open(report)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390


def test_in_print_everything_is_there(tab, report):
    tab.open(report)
    tab.call("Emulation.setEmulatedMedia", media="print")
    hidden = tab.evaluate("""[...document.querySelectorAll('.scroll')].filter(
        box => box.scrollHeight > box.clientHeight + 1).length""")
    assert hidden == 0
    assert len(tab.call("Page.printToPDF")["data"]) > 50_000
