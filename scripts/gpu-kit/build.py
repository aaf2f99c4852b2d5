#!/usr/bin/env python3
"""Build the GPU kit: what `check` needs on a machine with Python, PyTorch and transformers, but no Rust and no network.

    make gpu-kit [ARCH=90|all] [WHOLE=yes]
    python3 scripts/gpu-kit/build.py OUT [--arch ARCH] [--whole] [--preset 9]

OUT receives an archive in parts of at most 50 MiB, SHA256SUMS, README.md and `unpack`. In the archive: the stripped filters,
ONNX Runtime with CUDA, its provider with the GPU code of one architecture (ARCH, a compute capability without its dot; all:
of every one), the converter with the wheels that it needs, and the stages. `--whole` adds the whole provider, to hold the
pruned one against it. Standard library only; pip fetches the wheels, pinned by scripts/requirements/convert.txt.
"""

import argparse
import hashlib
import json
import lzma
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import prune_provider

ROOT = Path(__file__).resolve().parents[2]
NAME = "shotline-gpu-kit"
PART = 50 << 20
FILTERS = ("infer", "gen-tasks", "encode", "score")
PROVIDER = "libonnxruntime_providers_cuda.so"
# The project's own files. They keep their paths in the kit.
FILES = (
    "scripts/convert/*.py",
    *(f"scripts/gpu-kit/{name}.py" for name in ("check", "kit", "stages", "reference")),
    "scripts/record-logits.py",
    "tests/python/seeded_models.py",
    *(f"tests/oracle/{family}_checkpoint.py" for family in ("evo1", "evo2", "hyenadna")),
    "tests/large/*_shapes.py",
    "LICENSE-*",
)
# Packages that the converter needs and transformers does not bring, and the Python versions to fetch them for.
WHEELS = ("onnx", "ml-dtypes", "gguf", "protobuf")
PYTHONS = ("3.11", "3.12", "3.13")
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64")
CHECK = '#!/bin/sh\nexec "${PYTHON:-python3}" "$(dirname "$0")/scripts/gpu-kit/check.py" "$@"\n'


def copy_files(kit: Path) -> None:
    for pattern in FILES:
        for file in ROOT.glob(pattern):
            target = kit / file.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    check = kit / "check"
    check.write_text(CHECK)
    check.chmod(0o755)


def copy_filters(kit: Path, folder: Path) -> None:
    (kit / "bin").mkdir()
    for name in FILTERS:
        shutil.copy(folder / name, kit / "bin")
        subprocess.run(["strip", kit / "bin" / name], check=True)


def copy_runtime(folder: Path, runtime: Path, architecture: str) -> None:
    folder.mkdir()
    for file in [*runtime.glob("*.so*"), *runtime.glob("*.txt")]:
        if file.name == PROVIDER and architecture != "all":
            library = bytearray(file.read_bytes())
            prune_provider.prune(library, int(architecture))
            (folder / file.name).write_bytes(library)
        else:
            shutil.copy(file, folder)


def fetch_wheels(folder: Path) -> None:
    """Fetches each package for each Python version and checks the hashes that the converter's environment pins."""
    pinned = (ROOT / "scripts" / "requirements" / "convert.txt").read_text()
    blocks = re.findall(r"^[\w-]+==.*?(?=^\S|\Z)", pinned, re.M | re.S)
    wanted = [block for block in blocks if block.split("==")[0] in WHEELS]
    requirements = folder.parent / "wheels.txt"
    requirements.write_text("".join(wanted))
    for version in PYTHONS:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--require-hashes", "--only-binary=:all:", "--implementation", "cp", "--python-version", version]
        command += [f"--platform={platform}" for platform in PLATFORMS]
        subprocess.run([*command, "-d", str(folder), "-r", str(requirements)], check=True)
    requirements.unlink()


class Parts:
    """A file that is written in several parts, and the SHA-256 of each part."""

    def __init__(self, folder: Path, name: str):
        self._folder, self._name = folder, name
        self._file, self._left = None, 0
        self.sums: dict[str, str] = {}

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        while view:
            if self._left == 0:
                self._next()
            part = view[: self._left]
            self._file.write(part)
            self._digest.update(part)
            self._left -= len(part)
            view = view[len(part) :]
        return len(data)

    def _next(self) -> None:
        self.close()
        self._path = self._folder / f"{self._name}.{len(self.sums):02}"
        self._file, self._left, self._digest = self._path.open("wb"), PART, hashlib.sha256()

    def close(self) -> None:
        if self._file:
            self._file.close()
            self.sums[self._path.name] = self._digest.hexdigest()
            self._file = None


def pack(kit: Path, out: Path, preset: int) -> None:
    parts = Parts(out, f"{NAME}.tar.xz")
    with lzma.LZMAFile(parts, "wb", preset=preset) as compressed, tarfile.open(fileobj=compressed, mode="w|") as archive:
        archive.add(kit, kit.name)
    parts.close()
    here = Path(__file__).parent
    for name in ("unpack", "README.md"):
        shutil.copy(here / name, out)
        parts.sums[name] = hashlib.sha256((out / name).read_bytes()).hexdigest()
    (out / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for name, digest in parts.sums.items()))


def made() -> dict:
    """What the kit was built from. `check` copies it into the results."""
    git = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False)
    return {"source": git.stdout.strip() or None, "made": time.strftime("%Y-%m-%d", time.gmtime())}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--bin", type=Path, default=ROOT / "target" / "release", help="the built filters")
    parser.add_argument("--runtime", type=Path, default=ROOT / "runtime-cuda")
    parser.add_argument("--arch", default="90", help="90 (H100, H200), another one, or all (default: %(default)s)")
    parser.add_argument("--whole", action="store_true", help="the whole provider, too")
    parser.add_argument("--preset", type=int, default=9, help="xz's (default: %(default)s)")
    args = parser.parse_args()
    shutil.rmtree(args.out, ignore_errors=True)
    args.out.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=args.out.parent) as temp:
        kit = Path(temp) / NAME
        kit.mkdir()
        copy_files(kit)
        copy_filters(kit, args.bin)
        copy_runtime(kit / "lib", args.runtime, args.arch)
        if args.whole:
            copy_runtime(kit / "lib-whole", args.runtime, "all")
        (kit / "wheels").mkdir()
        fetch_wheels(kit / "wheels")
        (kit / "kit.json").write_text(json.dumps(made() | {"architecture": args.arch}) + "\n")
        pack(kit, args.out, args.preset)
    for file in sorted(args.out.iterdir()):
        print(f"{file.stat().st_size / 1e6:8.1f} MB  {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
