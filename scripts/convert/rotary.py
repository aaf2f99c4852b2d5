"""Rotary position embedding: the rate of each pair of dimensions, in radians per token, and the published scalings.

Rates are always float32, rounded as in transformers and the training code. At position 2000, a float32 angle has an
error of up to 1e-4, which sharp attention turns into 2e-2 of a logit (measured on Gemma 3 270M).
"""

import math

import numpy as np

from errors import ConvertError
from gguf_file import GgufFile
from hf_config import HfConfig

# The tensor in which llama.cpp stores Llama 3's scaling: one divisor for each pair of dimensions.
FACTORS = "rope_freqs.weight"
# llama.cpp's default base for all architectures.
GGUF_BASE = 10000.0


def rates(base: float, dims: int, factors: np.ndarray = np.float32(1)) -> np.ndarray:
    """base^(-2i/dims) for the pairs i = 0 .. dims/2 - 1 (Su et al., arXiv 2104.09864), divided by `factors`."""
    exponents = np.arange(0, dims, 2, dtype=np.float32) / np.float32(dims)
    # numpy's float32 power is less exact than torch's. torch's is a rounded float64 power, but for a few in a thousand.
    powers = (np.float64(base) ** exponents.astype(np.float64)).astype(np.float32)
    return np.float32(1) / (factors * powers)


def llama3(plain: np.ndarray, factor: float, low: float, high: float, context: int) -> np.ndarray:
    """Llama 3.1's scaling: it slows long waves by `factor`, keeps short ones, and interpolates between them.

    A wave is long if fewer than `low` periods fit into `context`, the original training length. It is short if at least
    `high` fit. The order of operations is that of transformers' `_compute_llama3_parameters`.
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
    """The rates by config.json. `scaling` is its `rope_scaling` or None; `share` is the rotated fraction of a head."""
    plain = rates(base, dims)
    if scaling is None:
        return plain
    options = config.inside("rope_scaling", scaling)
    # Older files have "type", newer ones "rope_type", some both.
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
    """The base and scaling in config.json. transformers 4 writes `theta` and rope_scaling, 5 writes rope_parameters."""
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
    """The rates by a GGUF file's metadata and its tensor of factors."""
    plain = rates(base, dims)
    # As in llama.cpp, the default is linear, and the factor's old key is read if the new one is absent.
    kind = file.own("rope.scaling.type", "linear")
    factor = file.number("rope.scaling.factor", file.number("rope.scale_linear", 1.0))
    if kind == "linear":
        plain = plain / np.float32(factor)
    elif kind != "none":
        raise file.refuse("rope.scaling.type", f'"{kind}" is not supported (expected none or linear)')
    return plain / gguf_factors(file, FACTORS, dims) if FACTORS in file.shapes() else plain


def gguf_factors(file: GgufFile, name: str, dims: int) -> np.ndarray:
    """The factors in a GGUF file: one divisor for each pair of dimensions."""
    shape, expected = file.shapes()[name], (dims // 2,)
    if shape != expected:
        raise ConvertError(f"{file.path}: tensor {name}: shape {shape}, expected {expected}")
    return file.tensor(name)
