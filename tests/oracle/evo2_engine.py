"""Run scripts/engines/evo2-vortex.py on the CPU, with the tiny model of the tests.

    python3 tests/oracle/evo2_engine.py ANYTHING --device cpu

Everything in the engine runs, except the loading of published weights. That needs the weights and a GPU.
"""

import runpy
import sys
import types
from pathlib import Path

ENGINES = Path(__file__).resolve().parents[2] / "scripts" / "engines"
sys.path.insert(0, str(ENGINES))

import protocol  # noqa: E402, F401: standard output is for answers from here on

import evo2_oracle  # noqa: E402
import make_tiny_evo2  # noqa: E402
from vortex.model.tokenizer import CharLevelTokenizer  # noqa: E402


class Evo2:
    """Replaces the class Evo2 of the package evo2, with the attributes of a loaded model."""

    def __init__(self, model_name: str, local_path: str | None = None, use_kernels: bool = False) -> None:
        self.model = evo2_oracle.build(make_tiny_evo2.CONFIG, make_tiny_evo2.weights())
        self.tokenizer = CharLevelTokenizer(512)


package = types.ModuleType("evo2")
package.Evo2 = Evo2
sys.modules["evo2"] = package
runpy.run_path(str(ENGINES / "evo2-vortex.py"), run_name="__main__")
