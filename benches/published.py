"""Time and memory of scripts/import-published at the size and in the layout of the published archive.

    python3 benches/published.py --bin target/release [--trials 8,128] [--folder DIR]

Writes an archive of 287 files (281 cells, 100 functions each) for each number of trials a function, with drawn prompts
and answers in the place of the published ones, and imports it. At 128 trials that is 3,596,800 predictions. Peak
memory is the kernel's (VmHWM) of the Python process; the filters that it starts stream. DIR (default: the system's)
keeps the archive meanwhile.
"""

import argparse
import io
import json
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from measuring import machine, measure, mib

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "python"))

import published  # noqa: E402


def archive(path: Path, trials: int) -> int:
    """Writes an archive. Returns the number of bytes in it."""
    size = 0
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name, document in published.files_of(trials):
            text = json.dumps(document, indent=2).encode()
            member = tarfile.TarInfo(f"results_128/{name}")
            member.size = len(text)
            size += len(text)
            tar.addfile(member, io.BytesIO(text))
    return size


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=Path, default=ROOT / "target" / "release", help="folder of the filters")
    parser.add_argument("--trials", default="8,128", help="numbers of trials a function")
    parser.add_argument("--folder", type=Path, help="where the archive is kept meanwhile (default: the system's)")
    args = parser.parse_args()
    published.BIN = args.bin.resolve()
    print(machine())
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        for trials in map(int, args.trials.split(",")):
            path = Path(folder) / "archive.tar.gz"
            begin = time.perf_counter()
            size = archive(path, trials)
            wrote = time.perf_counter() - begin
            run = measure([sys.executable, ROOT / "scripts" / "import-published", "--bin", args.bin, path],
                          watch_memory=True)  # fmt: skip
            print(f"{trials:>4} trials: {281 * 100 * trials:,} predictions, {mib(path.stat().st_size)} compressed, "
                  f"{mib(size)} unpacked (written in {wrote:.0f} s); imported in {run.wall:.0f} s, "
                  f"peak {mib(run.memory[0])}", flush=True)  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
