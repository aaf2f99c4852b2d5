"""Test the site that `make docs` builds: pages open from disk without the network, and the search finds pages.

    make docs && python3 -m pytest tests/docs/test_site.py
"""

import time

from browser import Tab, browser, tab  # noqa: F401
from pages import DOCS, ROOT

SITE = ROOT / "target" / "site"
PATIENCE = 60


def test_every_page_of_docs_is_in_the_site():
    for page in DOCS.rglob("*.md"):
        built = SITE / page.relative_to(DOCS)
        built = built.with_name("index.html") if page.name == "README.md" else built.with_suffix(".html")
        assert built.is_file(), page


def test_filters_and_tables_are_in_the_reference():
    assert "--eval-shots" in (SITE / "reference" / "gen-tasks.html").read_text()
    assert "p_mode_paired" in (SITE / "reference" / "tables.html").read_text()


def test_a_page_opens_without_the_network_and_the_search_finds_another(tab: Tab):  # noqa: F811
    tab.open(SITE / "index.html")
    tab.evaluate("document.querySelector('label[for=__search]').click()")
    tab.evaluate("""(() => {
        const query = document.querySelector('[data-md-component=search-query]');
        query.focus();
        query.value = 'disattenuated';
        query.dispatchEvent(new Event('keyup'));
    })()""")
    links = "[...document.querySelectorAll('.md-search-result__link')].map(link => link.getAttribute('href'))"
    deadline = time.monotonic() + PATIENCE
    while not any("profiles.html" in link for link in tab.evaluate(links)):
        assert time.monotonic() < deadline, tab.evaluate(links)
        time.sleep(0.1)
    assert tab.complaints() == []
    assert all(url.startswith(("file://", "data:")) for url in tab.requests()), tab.requests()
