"""Compute HyenaDNA in plain numpy and float64: every filter is the sum that defines it, computed lag by lag.

The code is slow and short. It is written from the equations (arXiv 2302.10866, section 3; arXiv 2306.15794, section 3),
and shares nothing with the converter. Float32 implementations are measured against these logits.
"""

import math

import numpy as np

from hyenadna_checkpoint import ROOT, Config


def logits(config: Config, weights: dict[str, np.ndarray], ids) -> np.ndarray:
    """Logits [L,vocabulary] at every position of one sequence."""
    w = {name.removeprefix(ROOT): array.astype(np.float64) for name, array in weights.items()}
    linear = lambda x, name: x @ w[f"{name}.weight"].T + w[f"{name}.bias"]
    embedding = w["embeddings.word_embeddings.weight"]

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        x = x - x.mean(-1, keepdims=True)
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5) * w[f"{name}.weight"] + w[f"{name}.bias"]

    x = embedding[np.asarray(ids)]
    for i in range(config.layers):
        layer = f"layers.{i}."
        z = linear(norm(x, f"{layer}norm1"), f"{layer}mixer.in_proj")
        taps = w[f"{layer}mixer.short_filter.weight"][:, 0]
        z = convolved(z, taps[:, ::-1]) + w[f"{layer}mixer.short_filter.bias"]
        x0, x1, v = np.split(z, 3, axis=1)
        u = v * x1
        h = np.stack([response(config, w, f"{layer}mixer.filter_fn.", lag) for lag in range(len(x))], 1)
        y = x0 * (convolved(u, h) + w[f"{layer}mixer.filter_fn.bias"] * u)
        x = x + linear(y, f"{layer}mixer.out_proj")
        a = linear(norm(x, f"{layer}norm2"), f"{layer}mlp.fc1")
        a = a / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (a + 0.044715 * a**3)))
        x = x + linear(a, f"{layer}mlp.fc2")
    return norm(x, "ln_f") @ w.get("lm_head.weight", embedding).T


def response(config: Config, w: dict[str, np.ndarray], filter: str, lag: int) -> np.ndarray:
    """The response of a filter to an impulse `lag` tokens ago, by channel."""
    part = lambda name: w[filter + name]
    frequency = part("implicit_filter.1.freq")[0] if config.trained else config.frequency
    x = part("pos_emb.z")[0, lag]
    for j in range(1 + config.inner):
        x = np.sin(frequency * (part(f"implicit_filter.{2 * j}.weight") @ x + part(f"implicit_filter.{2 * j}.bias")))
    x = part(f"implicit_filter.{2 + 2 * config.inner}.weight") @ x
    return x * (np.exp(-part("pos_emb.t")[0, lag] * np.abs(part("modulation.deltas")[0, 0])) + 0.05)


def convolved(x: np.ndarray, taps: np.ndarray) -> np.ndarray:
    """y[t] = sum_l taps[:, l] x[t - l] for x [L,C], taps [C,K]."""
    y = np.zeros_like(x)
    for lag in range(min(taps.shape[1], len(x))):
        y[lag:] += taps[:, lag] * x[: len(x) - lag]
    return y
