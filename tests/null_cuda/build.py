#!/usr/bin/env python3
"""Build a CUDA device that computes nothing: the libraries that ONNX Runtime's CUDA provider links to.

    python3 tests/null_cuda/build.py libonnxruntime_providers_cuda.so OUT

OUT receives libcudart.so.13 and the others, with the symbols' versions that the provider asks for. A symbol that the provider
needs and that is not written here is an error: what a new release asks for has to be looked at. README.md says what for.
Needs gcc and GNU's nm. Standard library only.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# The libraries, each after those that it needs, with its source. The provider links to libcurand and calls nothing of it.
LIBRARIES = {
    "libcudart.so.13": "cudart.c",
    "libcublas.so.13": "cublas.c",
    "libcublasLt.so.13": "cublaslt.c",
    "libcurand.so.10": None,
    "libcuda.so.1": "cuda.c",
}
# `-Bsymbolic`: the exported name of a function is for the provider, not for the functions beside it.
FLAGS = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Wno-unused-parameter", "-fPIC", "-shared", "-Wl,-z,defs", "-Wl,-Bsymbolic"]


def symbols(library: Path, which: str) -> set[str]:
    """The dynamic symbols of a library that are defined, or undefined, with their versions: cudaMalloc@libcudart.so.13."""
    listed = subprocess.run(["nm", "-D", f"--{which}-only", library], check=True, capture_output=True, text=True).stdout
    return {line.split()[-1].replace("@@", "@") for line in listed.splitlines()}


def build(library: str, source: str | None, has_versions: bool, out: Path) -> None:
    command = ["gcc", *FLAGS, f"-Wl,-soname,{library}", "-o", str(out / library)]
    command += ["-x", "c", str(HERE / source) if source else "/dev/null", "-x", "none"]
    if library.startswith("libcublas"):
        command.append(str(out / "libcudart.so.13"))
    if has_versions:
        # NVIDIA names the version of a library's symbols after the library.
        script = out / f"{library}.map"
        script.write_text(f"{library} {{ global: *; }};\n")
        command.append(f"-Wl,--version-script={script}")
    subprocess.run(command, check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("provider", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    wanted = {name for name in symbols(args.provider, "undefined") if re.match(r"(__cuda|cu)[a-zA-Z]", name)}
    given = set()
    for library, source in LIBRARIES.items():
        build(library, source, any(name.endswith(f"@{library}") for name in wanted), args.out)
        given |= symbols(args.out / library, "defined")
    if missing := wanted - given:
        print(f"build.py: not stood in for: {' '.join(sorted(missing))}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
