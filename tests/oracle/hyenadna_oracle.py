"""Compute HyenaDNA in PyTorch with the arithmetic of the published modelling code, in any type.

The published code comes with the weights (LongSafari/hyenadna-*-seqlen-hf, modeling_hyena.py) and is on no registry.
So this module writes the arithmetic down anew: long convolutions by Fourier transforms of twice the length in float32,
the residual in float32, norms and products in the weights' type. One thing differs: the network that makes the filters
is always float32 here. In bfloat16, the sines of ten times a rounded number would spoil the filters (an error of half
the logits' size, on the models of test_drawn_models.py).
"""

import numpy as np
import torch
from torch.nn import functional

from hyenadna_checkpoint import ROOT, Config


def logits(config: Config, weights: dict[str, np.ndarray], ids, dtype: torch.dtype = torch.float32) -> np.ndarray:
    """Logits [rows,tokens,vocabulary] of rows of equal length."""
    exact = lambda name: ".filter_fn." in name
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array, np.float32)) for name, array in weights.items()}
    w = {name.removeprefix(ROOT): t if exact(name) else t.to(dtype) for name, t in tensors.items()}
    embedding = w["embeddings.word_embeddings.weight"]
    with torch.no_grad():
        x = embedding[torch.as_tensor(np.asarray(ids))]
        for i in range(config.layers):
            layer = lambda name: [w[f"layers.{i}.{name}.{end}"] for end in ("weight", "bias")]
            norm = lambda x, name: functional.layer_norm(x.to(dtype), (config.width,), *layer(name), 1e-5)
            x = x.float()
            mixed = _mixed(config, w, f"layers.{i}.mixer.", functional.linear(norm(x, "norm1"), *layer("mixer.in_proj")))
            x = functional.linear(mixed, *layer("mixer.out_proj")) + x
            a = functional.gelu(functional.linear(norm(x, "norm2"), *layer("mlp.fc1")), approximate="tanh")
            x = functional.linear(a, *layer("mlp.fc2")) + x.float()
        x = functional.layer_norm(x.to(dtype), (config.width,), w["ln_f.weight"], w["ln_f.bias"], 1e-5)
        return functional.linear(x, w.get("lm_head.weight", embedding)).float().numpy()


def _mixed(config: Config, w: dict[str, torch.Tensor], part: str, z: torch.Tensor) -> torch.Tensor:
    """x0 * filter(v * x1) [B,L,H] of projections z [B,L,3H]."""
    length = z.shape[1]
    taps, bias = w[f"{part}short_filter.weight"], w[f"{part}short_filter.bias"]
    z = functional.conv1d(z.transpose(1, 2), taps, bias, padding=2, groups=len(taps))[..., :length]
    x0, x1, v = z.split(config.width, dim=1)
    own = lambda name: w[f"{part}filter_fn.{name}"]
    h = own("pos_emb.z")[0, :length]
    frequency = own("implicit_filter.1.freq") if config.trained else torch.full((1, config.order), config.frequency)
    for j in range(1 + config.inner):
        step = f"implicit_filter.{2 * j}."
        h = torch.sin(frequency * functional.linear(h, own(f"{step}weight"), own(f"{step}bias")))
    h = functional.linear(h, own(f"implicit_filter.{2 + 2 * config.inner}.weight"))
    h = h * (torch.exp(-own("pos_emb.t")[0, :length] * own("modulation.deltas")[0].abs()) + 0.05)
    u, size = v * x1, 2 * length
    transformed = torch.fft.rfft(u.float(), n=size) * torch.fft.rfft(h.T, n=size)
    y = torch.fft.irfft(transformed, n=size)[..., :length] + u * own("bias")[:, None]
    return (y.to(u.dtype) * x0).transpose(1, 2)
