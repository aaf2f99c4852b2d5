"""Make random StripedHyena 2 checkpoints from a seed, in PyTorch's file format, without PyTorch.

The oracle (evo2_oracle.py) and the tests (tests/python/test_evo2.py) read the same weights through this module, so no
weights are stored.
"""

import io
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import ml_dtypes
import numpy as np

STORAGES = {np.dtype(np.float32): "FloatStorage", np.dtype(ml_dtypes.bfloat16): "BFloat16Storage"}
SHORT_TAPS = 3
VOCABULARY = 512
# The number of bytes to copy at a time.
BLOCK = 1 << 24


@dataclass(frozen=True)
class Config:
    """A model's sizes. `kinds` has one of "attention", "short", "medium", "long" for each layer."""

    kinds: tuple[str, ...]
    width: int
    heads: int
    hidden: int
    groups: int
    taps: int
    long_taps: int
    base: float = 10000.0
    scaling: int = 1
    modes: int = 16


def drawn(seed: int) -> Config:
    """Draws sizes at random. Every kind of layer occurs, in any order."""
    rng = np.random.default_rng([seed, 0])
    kinds = ["attention", "short", "medium", "long", *rng.choice(["attention", "short", "medium", "long"], 2)]
    rng.shuffle(kinds)
    heads, head_dim = int(rng.integers(1, 4)), int(rng.choice([16, 32]))
    width = heads * head_dim
    divisors = [n for n in range(1, width + 1) if width % n == 0]
    return Config(
        kinds=tuple(map(str, kinds)),
        width=width,
        heads=heads,
        hidden=int(rng.integers(3, 9)) * 16,
        groups=int(rng.choice(divisors[1:])),
        taps=int(rng.integers(3, 12)),
        long_taps=int(rng.integers(128, 161)),
        base=float(rng.choice([1e4, 1e6])),
        scaling=int(rng.choice([1, 1, 32, 128])),
    )


def bases(seed: int, count: int) -> np.ndarray:
    """Token ids of random bases."""
    return np.random.default_rng([seed, 2]).choice(np.frombuffer(b"ACGT", np.uint8), count).astype(np.int64)


def tensors(config: Config, seed: int, matrix: Callable[[int, int], np.ndarray] | None = None) -> dict[str, np.ndarray]:
    """Random weights under the names and in the layout of a published checkpoint. Matrices are bfloat16 there.

    `matrix` returns a matrix of these rows and columns. It is for large models: drawing each matrix anew would need too
    much memory.
    """
    rng = np.random.default_rng([seed, 1])
    draw = lambda scale, *shape: rng.normal(0, scale, shape).astype(np.float32)
    near_one = lambda size: rng.uniform(0.7, 1.3, size).astype(np.float32)
    width, hidden = config.width, config.hidden
    matrix = matrix or (lambda rows, columns: draw(columns**-0.5, rows, columns).astype(ml_dtypes.bfloat16))
    table = {"embedding_layer.weight": draw(1, VOCABULARY, width).astype(ml_dtypes.bfloat16)}
    for number, kind in enumerate(config.kinds):
        own = {"pre_norm.scale": near_one(width), "post_norm.scale": near_one(width)}
        own |= {"mlp.l1.weight": matrix(hidden, width), "mlp.l2.weight": matrix(hidden, width)}
        own |= {"mlp.l3.weight": matrix(width, hidden)}
        if kind == "attention":
            head_dim = width // config.heads
            exponents = np.arange(0, head_dim, 2, dtype=np.float32) / np.float32(head_dim)
            own |= {
                "inner_mha_cls.Wqkv.weight": matrix(3 * width, width),
                "inner_mha_cls.out_proj.weight": matrix(width, width),
                "inner_mha_cls.out_proj.bias": draw(0.1, width),
                "inner_mha_cls.rotary_emb.inv_freq": np.float32(1) / np.float32(config.base) ** exponents,
            }
        else:
            own |= {
                "projections.weight": matrix(3 * width, width),
                "out_filter_dense.weight": matrix(width, width),
                "out_filter_dense.bias": draw(0.1, width),
                "filter.short_filter_weight": draw(0.6, 3 * width, 1, SHORT_TAPS),
            }
            if kind == "short":
                own["filter.h"] = draw(0.4, config.groups, 1, config.taps)
            elif kind == "medium":
                own |= {"filter.h": draw(0.1, config.groups, 1, config.long_taps), "filter.D": draw(0.3, width)}
            else:
                # Modes have decay times of 0.4 to 3000 tokens.
                own |= {
                    "filter.log_poles": -np.exp(rng.uniform(-8, 1, (width, config.modes, 1))).astype(np.float32),
                    "filter.residues": draw(0.2, width, config.modes),
                    "filter.D": draw(0.3, width),
                }
        table |= {f"blocks.{number}.{name}": array for name, array in own.items()}
    return table | {"norm.scale": near_one(width)}


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def _integers(values) -> bytes:
    """The pickle of a tuple of integers below 2^31."""
    return b"(" + b"".join(b"J" + struct.pack("<i", value) for value in values) + b"t"


def pickled(table: dict[str, np.ndarray]) -> bytes:
    """data.pkl as torch.save writes it (protocol 2): a dict of calls that rebuild tensors from numbered storages."""
    out = io.BytesIO()
    out.write(b"\x80\x02}(")
    for number, (name, array) in enumerate(table.items()):
        strides = [stride // array.itemsize for stride in array.strides]
        storage = text("storage") + b"ctorch\n" + STORAGES[array.dtype].encode() + b"\n"
        storage += text(str(number)) + text("cpu") + b"J" + struct.pack("<i", array.size)
        out.write(text(name) + b"ctorch._utils\n_rebuild_tensor_v2\n((" + storage + b"tQK\x00")
        out.write(_integers(array.shape) + _integers(strides) + b"\x89ccollections\nOrderedDict\n)RtR")
    out.write(b"u.")
    return out.getvalue()


def write(path: Path, table: dict[str, np.ndarray], parts: int = 1) -> Path:
    """Writes the checkpoint, or `parts` byte splits of it. Returns the path to convert."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("checkpoint/data.pkl", pickled(table))
        archive.writestr("checkpoint/byteorder", "little")
        for number, array in enumerate(table.values()):
            archive.writestr(f"checkpoint/data/{number}", np.ascontiguousarray(array).tobytes())
        archive.writestr("checkpoint/version", "3\n")
    if parts > 1:
        split(path, parts)
    return path


def split(path: Path, parts: int) -> None:
    """Cuts a file into `parts` raw byte splits, as the authors of Evo 2 do with large checkpoints."""
    size = -(-path.stat().st_size // parts)
    with path.open("rb") as whole:
        for number in range(parts):
            with path.with_name(f"{path.name}.part{number}").open("wb") as part:
                for start in range(0, size, BLOCK):
                    part.write(whole.read(min(BLOCK, size - start)))
    path.unlink()
