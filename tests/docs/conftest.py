"""Put tests/python on the import path: the tests of the documentation share helpers (browser, filters) with it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))
