"""Rotary position embedding: the rate of each pair of dimensions, in radians a token, with its published scalings.

Rates are float32 throughout, as transformers and the training code round them: at position 2000 a float32 angle is
off by up to 1e-4, which sharp attention turns into 2e-2 of a logit (measured on Gemma 3 270M).
"""

import math

import numpy as np

from errors import ConvertError
from gguf_file import GgufFile
from hf_config import HfConfig

# Where llama.cpp keeps Llama 3's scaling: one divisor for each pair of dimensions.
FACTORS = "rope_freqs.weight"
# llama.cpp's base where a file has none, whatever the architecture.
GGUF_BASE = 10000.0


def rates(base: float, dims: int, factors: np.ndarray = np.float32(1)) -> np.ndarray:
    """base^(-2i/dims) for the pairs i = 0 .. dims/2 - 1 (Su et al., arXiv 2104.09864), divided by `factors`."""
    exponents = np.arange(0, dims, 2, dtype=np.float32) / np.float32(dims)
    # numpy's float32 power is off by more than torch's, which is this one's rounded once but for a few in a thousand.
    powers = (np.float64(base) ** exponents.astype(np.float64)).astype(np.float32)
    return np.float32(1) / (factors * powers)


def llama3(plain: np.ndarray, factor: float, low: float, high: float, context: int) -> np.ndarray:
    """Llama 3.1's scaling: long waves slower by `factor`, short ones as they are, a ramp between.

    A wave is long where fewer than `low` of it fit into `context`, the length trained at first; short from `high` on.
    The order of operations is that of transformers' `_compute_llama3_parameters`.
    """
    f = np.float32
    waves = f(2 * math.pi) / plain
    slow = np.where(waves > f(context / low), plain / f(factor), plain)
    ramp = (f(context) / waves - f(low)) / f(high - low)
    between = (f(1) - ramp) * slow / f(factor) + ramp * slow
    is_between = (waves >= f(context / high)) & (waves <= f(context / low))
    return np.where(is_between, between, slow).astype(np.float32)


def config_rates(
    config: HfConfig, dims: int, base: float, scaling: dict | None, share: float = 1.0
) -> np.ndarray:
    """The rates that config.json asks for. `scaling` is its `rope_scaling`, or null; `share` of a head is rotated."""
    plain = rates(base, dims)
    if scaling is None:
        return plain
    options = config.inside("rope_scaling", scaling)
    # Older files say "type", newer ones "rope_type", some both.
    kind = options.text("rope_type", options.get("type", "default"))
    options.expect("rope_theta", base)
    options.expect("partial_rotary_factor", share)
    if kind == "default":
        scaled = plain
    elif kind == "linear":
        scaled = plain / np.float32(options.number("factor"))
    elif kind == "llama3":
        factor, low, high = (options.number(key) for key in ("factor", "low_freq_factor", "high_freq_factor"))
        if low >= high:
            raise config.refuse("rope_scaling", f"low_freq_factor {low} is not below high_freq_factor {high}")
        scaled = llama3(plain, factor, low, high, options.count("original_max_position_embeddings"))
    else:
        raise config.refuse(
            "rope_scaling", f'type "{kind}" is not supported (expected one of default, linear, llama3)'
        )
    options.finish()
    return scaled


def rope_options(config: HfConfig, theta: str, default: float) -> tuple[float, dict | None]:
    """The base and the scaling of a config.json: transformers 4 has `theta` and rope_scaling, 5 rope_parameters."""
    newer = config.get("rope_parameters")
    scaling = config.get("rope_scaling")
    for key, value in (("rope_parameters", newer), ("rope_scaling", scaling)):
        if not isinstance(value, dict | None):
            raise config.refuse(key, f"expected an object, found {value!r:.40}")
    if newer is None:
        return config.number(theta, default), scaling
    if scaling is not None and scaling != newer:
        raise config.refuse("rope_scaling", "differs from rope_parameters")
    base = config.inside("rope_parameters", newer).number("rope_theta", config.number(theta, default))
    return base, newer


def gguf_rates(file: GgufFile, dims: int, base: float) -> np.ndarray:
    """The rates that a GGUF file's metadata and its tensor of factors ask for."""
    plain = rates(base, dims)
    # As llama.cpp has it: linear without a word, the factor under its old name where it has no new one.
    kind = file.own("rope.scaling.type", "linear")
    factor = file.number("rope.scaling.factor", file.number("rope.scale_linear", 1.0))
    if kind == "linear":
        plain = plain / np.float32(factor)
    elif kind != "none":
        raise file.refuse("rope.scaling.type", f'"{kind}" is not supported (expected none or linear)')
    return plain / gguf_factors(file, FACTORS, dims) if FACTORS in file.shapes() else plain


def gguf_factors(file: GgufFile, name: str, dims: int) -> np.ndarray:
    """One divisor for each pair of dimensions."""
    shape, expected = file.shapes()[name], (dims // 2,)
    if shape != expected:
        raise ConvertError(f"{file.path}: tensor {name}: shape {shape}, expected {expected}")
    return file.tensor(name)
