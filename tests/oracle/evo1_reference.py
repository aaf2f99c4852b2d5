"""Compute StripedHyena 1 in plain numpy and float64: every filter is the sum or the recurrence that defines it.

The code is slow and short. It is written from the equations and from the package stripedhyena, and shares nothing with
the converter. Float32 implementations are measured against these logits.
"""

import math

import numpy as np

from evo1_checkpoint import ROOT, Config

erf = np.vectorize(math.erf)


def logits(config: Config, weights: dict[str, np.ndarray], ids) -> np.ndarray:
    """Logits [L,vocabulary] at every position of one sequence."""
    width = config.width
    w = {name.removeprefix(ROOT): array.astype(np.float64) for name, array in weights.items()}
    norm = lambda x, name: w[name] * x / (np.linalg.norm(x, axis=-1, keepdims=True) * width**-0.5 + 1e-6)
    linear = lambda x, name: x @ w[f"{name}.weight"].T + w.get(f"{name}.bias", 0)
    x = w["embedding_layer.weight"][np.asarray(ids)]
    for number, kind in enumerate(config.kinds):
        block = f"blocks.{number}."
        n = norm(x, f"{block}pre_norm.scale")
        if kind == "attention":
            mixed = _attention(config, linear(n, f"{block}inner_mha_cls.Wqkv"))
            x = x + linear(mixed, f"{block}inner_mha_cls.out_proj")
        else:
            mixed = _hyena(config, lambda name: w[f"{block}filter.{name}"], linear(n, f"{block}projections"))
            x = x + linear(mixed, f"{block}out_filter_dense")
        n = norm(x, f"{block}post_norm.scale")
        gate = linear(n, f"{block}mlp.l1")
        gate = gate * ((1 + erf(gate / math.sqrt(2))) / 2 if config.activation == "gelu" else 1 / (1 + np.exp(-gate)))
        x = x + linear(gate * linear(n, f"{block}mlp.l2"), f"{block}mlp.l3")
    return norm(x, "norm.scale") @ w.get("unembed.weight", w["embedding_layer.weight"]).T


def _hyena(config: Config, part, z: np.ndarray) -> np.ndarray:
    taps, padded = part("short_filter_weight")[:, 0], np.pad(z, ((2, 0), (0, 0)))
    z = sum(taps[:, lag] * padded[lag : lag + len(z)] for lag in range(3)) + part("short_filter_bias")
    if config.by_head:
        x2, x1, v = np.moveaxis(z.reshape(len(z), config.heads, 3, -1), 2, 0).reshape(3, len(z), -1)
    else:
        x2, x1, v = np.split(z, 3, axis=1)
    u = x1 * v
    poles, residues = (part(name)[:, :, 0] @ [1, 1j] for name in ("poles", "residues"))
    modes, y = np.zeros_like(poles), np.empty_like(u)
    for t, row in enumerate(u):
        modes = poles * modes + row[:, None]
        y[t] = (residues * modes).sum(-1).real
    return x2 * (y + part("D") * u)


def _attention(config: Config, qkv: np.ndarray) -> np.ndarray:
    size = config.width // config.heads
    q, k, v = np.moveaxis(qkv.reshape(len(qkv), 3, config.heads, size), 1, 0)
    inverse = config.base ** -(np.arange(0, size, 2) / size)
    angles = np.outer(np.arange(len(qkv)) / config.scaling, inverse)[:, None]
    cos, sin = np.cos(angles), np.sin(angles)

    def rotated(x):
        a, b = np.split(x, 2, axis=-1)
        return np.concatenate([a * cos - b * sin, a * sin + b * cos], axis=-1)

    scores = np.einsum("qhd,khd->hqk", rotated(q), rotated(k)) * size**-0.5
    scores = np.where(np.tri(len(qkv), dtype=bool), scores, -np.inf)
    scores = np.exp(scores - scores.max(-1, keepdims=True))
    return np.einsum("hqk,khd->qhd", scores / scores.sum(-1, keepdims=True), v).reshape(len(qkv), config.width)
