"""Compute StripedHyena 2 in plain numpy and float64: every filter is the sum or the recurrence that defines it.

The code is slow and short. It is written from the equations and from vortex, and shares nothing with the converter.
Float32 implementations are measured against these logits.
"""

import math

import numpy as np

from evo2_checkpoint import Config

erf = np.vectorize(math.erf)


def _causal(x: np.ndarray, taps: np.ndarray) -> np.ndarray:
    """y[t] = sum_l taps[:, l] x[t - l] for x [L,C], taps [C,K]."""
    y = np.zeros_like(x)
    for lag in range(min(taps.shape[1], len(x))):
        y[lag:] += taps[:, lag] * x[: len(x) - lag]
    return y


def logits(config: Config, weights: dict[str, np.ndarray], ids) -> np.ndarray:
    """Logits [L,vocabulary] at every position of one sequence."""
    width = config.width
    w = {name: array.astype(np.float64) for name, array in weights.items()}
    norm = lambda x, name: w[name] * x / (np.linalg.norm(x, axis=-1, keepdims=True) * width**-0.5 + 1e-6)
    x = w["embedding_layer.weight"][np.asarray(ids)]
    for number, kind in enumerate(config.kinds):
        part = lambda name: w[f"blocks.{number}.{name}"]
        n = norm(x, f"blocks.{number}.pre_norm.scale")
        if kind == "attention":
            mixed = _attention(config, part, n) @ part("inner_mha_cls.out_proj.weight").T
            x = x + mixed + part("inner_mha_cls.out_proj.bias")
        else:
            mixed = _hyena(kind, part, n) @ part("out_filter_dense.weight").T
            x = x + mixed + part("out_filter_dense.bias")
        n = norm(x, f"blocks.{number}.post_norm.scale")
        gate = n @ part("mlp.l1.weight").T
        if number == 0:
            gate = gate * (1 + erf(gate / math.sqrt(2))) / 2
        x = x + (gate * (n @ part("mlp.l2.weight").T)) @ part("mlp.l3.weight").T
    return norm(x, "norm.scale") @ w["embedding_layer.weight"].T


def _hyena(kind: str, part, n: np.ndarray) -> np.ndarray:
    z = _causal(n @ part("projections.weight").T, part("filter.short_filter_weight")[:, 0, ::-1])
    x2, x1, v = z[:, 0::3], z[:, 1::3], z[:, 2::3]
    u = x1 * v
    if kind == "long":
        poles, residues = np.exp(part("filter.log_poles")[:, :, 0]), part("filter.residues")
        modes, y = np.zeros_like(residues), np.empty_like(u)
        for t, row in enumerate(u):
            modes = poles * modes + row[:, None]
            y[t] = (residues * modes).sum(-1)
    else:
        taps = part("filter.h")[:, 0]
        taps = np.repeat(taps, u.shape[1] // len(taps), axis=0)
        y = _causal(u, taps if kind == "medium" else taps[:, ::-1])
    return x2 * (y if kind == "short" else y + part("filter.D") * u)


def _attention(config: Config, part, n: np.ndarray) -> np.ndarray:
    size = config.width // config.heads
    qkv = (n @ part("inner_mha_cls.Wqkv.weight").T).reshape(len(n), config.heads, 3, size)
    angles = np.outer(np.arange(len(n)) / config.scaling, part("inner_mha_cls.rotary_emb.inv_freq"))[:, None]
    cos, sin = np.cos(angles), np.sin(angles)

    def rotated(x):
        a, b = np.split(x, 2, axis=-1)
        return np.concatenate([a * cos - b * sin, a * sin + b * cos], axis=-1)

    q, k, v = rotated(qkv[:, :, 0]), rotated(qkv[:, :, 1]), qkv[:, :, 2]
    scores = np.einsum("qhd,khd->hqk", q, k) * size**-0.5
    scores = np.where(np.tri(len(n), dtype=bool), scores, -np.inf)
    scores = np.exp(scores - scores.max(-1, keepdims=True))
    return np.einsum("hqk,khd->qhd", scores / scores.sum(-1, keepdims=True), v).reshape(n.shape)
