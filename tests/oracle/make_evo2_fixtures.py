"""Record the logits that vortex (the reference implementation of Evo 2) computes for random StripedHyena 2 models.

    python3 tests/oracle/make_evo2_fixtures.py

Tests then run without vortex. Writes tests/fixtures/models/evo2.json. Runs in the environment of
tests/oracle/requirements.txt; the result is committed. Sizes, weights and tokens come from the seeds
(evo2_checkpoint.py), so only logits are stored.
"""

import json
from importlib.metadata import version
from pathlib import Path

import evo2_checkpoint
import evo2_oracle

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "models" / "evo2.json"
SEEDS = (1, 3, 4, 5)
POSITIONS = (0, 1, 2, 62, 63, 64, 129, 299)
ROWS = (0, 1, 10, 44, 62, 65, 67, 71, 78, 84, 255, 511)


def main() -> None:
    rows = []
    for seed in SEEDS:
        config = evo2_checkpoint.drawn(seed)
        model = evo2_oracle.build(config, evo2_checkpoint.tensors(config, seed))
        ids = evo2_checkpoint.bases(seed, POSITIONS[-1] + 1)
        logits = evo2_oracle.logits(model, [ids])[0, list(POSITIONS)]
        kept = [[float(f"{value:.7g}") for value in row] for row in logits[:, list(ROWS)]]
        best = {"largest": float(abs(logits).max()), "argmax": logits.argmax(-1).tolist()}
        rows.append({"seed": seed, **best, "logits": kept})
    made_with = {package: version(package) for package in ("torch", "vtx", "numpy")}
    header = {"made_with": made_with, "positions": POSITIONS, "rows": ROWS}
    lines = [f' "{key}": {json.dumps(value)},' for key, value in header.items()]
    lines.append(' "models": [\n  ' + ",\n  ".join(map(json.dumps, rows)) + "\n ]")
    FIXTURE.write_text("{\n" + "\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
