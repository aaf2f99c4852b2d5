"""Run stripedhyena (PyPI, 0.2.2), the reference implementation of Evo 1, on the CPU, in float32 or bfloat16.

bfloat16 is the type that Evo 1 is run in. stripedhyena imports attention from flash-attn, which is for GPUs. During
that import, classes of this module with the same arithmetic in torch replace flash-attn's. Runs in the environment of
tests/oracle/requirements.txt, with the package beside it (target/oracle-stripedhyena in the Makefile).
"""

import sys
import types
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from evo1_checkpoint import ROOT, Config

PACKAGE = Path(__file__).resolve().parents[2] / "target" / "oracle-stripedhyena"


class RotaryEmbedding(nn.Module):
    """Replaces flash_attn.layers.rotary.RotaryEmbedding: frequencies, and tables for the positions asked for."""

    def __init__(self, dim, base=10000.0, interleaved=False, scale_base=None, pos_idx_in_fp32=True, device=None):
        super().__init__()
        assert not interleaved and scale_base is None
        self.dim, self.base, self.interleaved = dim, base, interleaved
        self.scale_base, self.scale, self.pos_idx_in_fp32 = scale_base, None, pos_idx_in_fp32
        self.register_buffer("inv_freq", self._compute_inv_freq(device), persistent=False)
        self._seq_len_cached, self._cos_cached, self._sin_cached = 0, None, None

    def _compute_inv_freq(self, device=None):
        return 1.0 / (self.base ** (torch.arange(0, self.dim, 2, device=device, dtype=torch.float32) / self.dim))

    def _update_cos_sin_cache(self, seqlen, device=None, dtype=None):
        angles = torch.outer(torch.arange(seqlen, dtype=torch.float32), self._compute_inv_freq())
        self._cos_cached, self._sin_cached = angles.cos().to(dtype), angles.sin().to(dtype)

    def forward(self, x):
        """Rotates x [B,L,heads,dim] by halves, in float32, and rounds once, as the kernel does."""
        self._update_cos_sin_cache(x.shape[1], x.device, x.dtype)
        cos, sin = (table[: x.shape[1], None].float() for table in (self._cos_cached, self._sin_cached))
        a, b = x.float().chunk(2, -1)
        return torch.cat([a * cos - b * sin, a * sin + b * cos], -1).to(x.dtype)


class MHA(nn.Module):
    """Replaces flash_attn.modules.mha.MHA, as stripedhyena uses it: causal, as many key heads as query heads."""

    def __init__(
        self, embed_dim, num_heads, num_heads_kv, rotary_emb_dim, qkv_proj_bias, rotary_emb_base, out_proj_bias, **_
    ):
        super().__init__()
        assert num_heads_kv == num_heads
        self.num_heads, self.cross_attn = num_heads, False
        self.Wqkv = nn.Linear(embed_dim, 3 * embed_dim, bias=qkv_proj_bias)
        self.out_proj = nn.Linear(embed_dim, embed_dim, bias=out_proj_bias)
        self.rotary_emb = RotaryEmbedding(rotary_emb_dim, rotary_emb_base)

    def forward(self, x, inference_params=None):
        assert inference_params is None
        q, k, v = self.Wqkv(x).unflatten(-1, (3, self.num_heads, -1)).unbind(2)
        q, k, v = (part.transpose(1, 2) for part in (self.rotary_emb(q), self.rotary_emb(k), v))
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))


def _import_stripedhyena():
    names = ("flash_attn", *(f"flash_attn.{part}" for part in ("layers", "layers.rotary", "modules", "modules.mha")))
    stands = {name: types.ModuleType(name) for name in names}
    stands["flash_attn.layers.rotary"].RotaryEmbedding = RotaryEmbedding
    stands["flash_attn.modules.mha"].MHA = MHA
    sys.modules |= stands
    sys.path.insert(0, str(PACKAGE))
    try:
        from stripedhyena import model, utils
    finally:
        sys.path.remove(str(PACKAGE))
        # Otherwise transformers would take the replacement for the real flash-attn.
        for name in names:
            del sys.modules[name]
    return model.StripedHyena, utils.dotdict


StripedHyena, dotdict = _import_stripedhyena()


def build(config: Config, weights: dict[str, np.ndarray], dtype: torch.dtype = torch.float32):
    """Builds stripedhyena's model with these weights, in float32, or in bfloat16 except poles and residues."""
    table = config.json() | {"use_flash_attn": False, "mlp_init_method": "torch.nn.init.zeros_"}
    types_of = dict.fromkeys(("params_dtype", "attn_block_dtype", "hyena_block_dtype", "mlp_dtype"), torch.float32)
    model = StripedHyena(dotdict(table | types_of)).eval()
    state = {name.removeprefix(ROOT): torch.from_numpy(array.astype(np.float32)) for name, array in weights.items()}
    state.setdefault("unembed.weight", state["embedding_layer.weight"])
    model.load_state_dict(state, strict=True)
    if dtype == torch.bfloat16:
        model.to_bfloat16_except_poles_residues()
    return model


def logits(model, rows) -> np.ndarray:
    """Logits [rows,tokens,vocabulary] of rows of equal length."""
    with torch.no_grad():
        return model(torch.as_tensor(np.asarray(rows)))[0].float().numpy()
