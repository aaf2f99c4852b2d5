#!/usr/bin/env python3
"""Take the GPU code for all architectures but one out of ONNX Runtime's CUDA provider.

    python3 scripts/gpu-kit/prune_provider.py IN.so OUT.so 90

The code is overwritten with zeros, so that nothing else of the library moves; compressed, what is left of 284 MB takes 52.
On a card of another architecture the pruned library has no code, and `infer` says so.

The library's section .nv_fatbin is a run of binaries: a header of 16 bytes (magic number, version, its own size, the size of
what follows) and an entry for each architecture: kind (1: PTX, 2: machine code), two bytes, the size of its header, the size
of its code, twelve bytes, the architecture; then the code. Standard library only.
"""

import argparse
import struct
import sys
from collections import Counter
from pathlib import Path

MAGIC = 0xBA55ED50
MACHINE_CODE = 2
BINARY = struct.Struct("<IHHQ")
ENTRY = struct.Struct("<HHIQ12xI")


class PruneError(Exception):
    """The library is not what it should be; the message is what the user reads."""


def section(library: bytes, name: bytes) -> range:
    """The byte range of a section in a 64-bit ELF file."""
    if library[:6] != b"\x7fELF\x02\x01":
        raise PruneError("no 64-bit ELF library")
    (headers,) = struct.unpack_from("<Q", library, 0x28)
    size, count, names = struct.unpack_from("<HHH", library, 0x3A)
    # For each section: the position of its name in the name section, its offset and its length.
    found = [struct.unpack_from("<I20xQQ", library, headers + number * size) for number in range(count)]
    for title, offset, length in found:
        start = found[names][1] + title
        if library[start : library.index(b"\0", start)] == name:
            return range(offset, offset + length)
    raise PruneError(f"no section {name.decode()}")


def prune(library: bytearray, architecture: int) -> tuple[Counter, Counter]:
    """Zeroes all machine code for other architectures. Returns the bytes kept and dropped, by architecture."""
    code = section(library, b".nv_fatbin")
    kept, dropped = Counter(), Counter()
    at = code.start
    while at + BINARY.size <= code.stop:
        magic, _, header, length = BINARY.unpack_from(library, at)
        if magic != MAGIC:
            # There may be padding between binaries.
            at += 8
            continue
        entry, at = at + header, at + header + length
        while entry < at:
            kind, _, entry_header, size, found = ENTRY.unpack_from(library, entry)
            if kind == MACHINE_CODE and found == architecture:
                kept[found] += size
            else:
                dropped[found] += size
                library[entry + entry_header : entry + entry_header + size] = bytes(size)
            entry += entry_header + size
    if not kept:
        raise PruneError(f"no code for architecture {architecture}; there is {', '.join(map(str, sorted(dropped)))}")
    return kept, dropped


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path)
    parser.add_argument("pruned", type=Path)
    parser.add_argument("architecture", type=int, help="the compute capability without its dot: 90")
    args = parser.parse_args()
    library = bytearray(args.library.read_bytes())
    try:
        kept, dropped = prune(library, args.architecture)
    except PruneError as error:
        print(f"prune_provider: {args.library}: {error}", file=sys.stderr)
        return 1
    args.pruned.write_bytes(library)
    print(f"kept {kept.total() / 1e6:.0f} MB of GPU code, dropped {dropped.total() / 1e6:.0f}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
