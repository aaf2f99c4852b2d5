"""Run vortex (PyPI `vtx`), the reference implementation of Evo 2, on the CPU, in float32 or bfloat16.

bfloat16 is the type that Evo 2 is released in. vortex is written for CUDA. Before vortex is loaded, two modules of
kernels and torch.cuda.device are replaced, by nothing or by the same arithmetic in torch. Runs in the environment of
tests/oracle/requirements.txt.
"""

import contextlib
import logging
import os
import sys
import tempfile
import types
import warnings

import numpy as np
import torch

from evo2_checkpoint import SHORT_TAPS, VOCABULARY, Config

os.environ.setdefault("TQDM_DISABLE", "1")
LAYERS = {"attention": "attn", "short": "hcs", "medium": "hcm", "long": "hcl"}


def _rotate(x, cos, sin, seqlen_offsets=0, interleaved=False, inplace=False, **_):
    """Rotates x [B,L,heads,dim] by halves, as the Triton kernel does. vortex needs no other case here."""
    if interleaved or not isinstance(seqlen_offsets, int):
        raise NotImplementedError("rotary embedding of interleaved or ragged sequences")
    half = cos.shape[-1]
    c, s = (table[seqlen_offsets : seqlen_offsets + x.shape[1], None] for table in (cos, sin))
    a, b = x[..., :half], x[..., half:]
    turned = torch.cat([a * c - b * s, a * s + b * c], -1)
    return x.copy_(turned) if inplace else turned


class _NoDevice(contextlib.nullcontext):
    """Replaces torch.cuda.device, so that `with torch.cuda.device("cpu")` does nothing."""

    def __init__(self, device=None):
        super().__init__()


def _import_vortex():
    # vortex imports the kernels of flash attention unconditionally. The rotary embedding of vortex imports Triton's.
    attention = types.ModuleType("vortex.ops.attn_interface")
    for kind in ("", "_kvpacked", "_qkvpacked", "_varlen_kvpacked", "_varlen_qkvpacked"):
        setattr(attention, f"local_flash_attn{kind}_func", None)
    attention.local_flash_attn_with_kvcache = None
    rotary = types.ModuleType("vortex.ops.embedding.rotary")
    rotary.apply_rotary = _rotate
    sys.modules |= {attention.__name__: attention, rotary.__name__: rotary}
    torch.cuda.device = _NoDevice
    warnings.filterwarnings("ignore", message=".*CUDA is not available.*")
    # vortex leaves a log in the working directory.
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        try:
            from vortex.model import model, utils
        finally:
            os.chdir(before)
    logging.getLogger().setLevel(logging.ERROR)
    return model.StripedHyena, utils.dotdict


StripedHyena, dotdict = _import_vortex()


def build(config: Config, weights: dict[str, np.ndarray], dtype: torch.dtype = torch.float32):
    """Builds vortex's model with these weights, in float32 or bfloat16.

    In bfloat16, the tensors that vortex's loader keeps in float32 stay in float32.
    """
    where = {f"{theirs}_layer_idxs": [i for i, kind in enumerate(config.kinds) if kind == ours]
             for ours, theirs in LAYERS.items()}
    dtypes = ("params_dtype", "attn_block_dtype", "hyena_block_dtype", "mlp_dtype")
    options = dotdict(
        **where,
        **dict.fromkeys(dtypes, dtype),
        vocab_size=VOCABULARY,
        hidden_size=config.width,
        num_filters=config.width,
        hcs_filter_groups=config.groups,
        hcm_filter_groups=config.groups,
        hcl_filter_groups=config.width,
        hcs_filter_length=config.taps,
        hcm_filter_length=config.long_taps,
        short_filter_length=SHORT_TAPS,
        short_filter_bias=False,
        num_layers=len(config.kinds),
        num_attention_heads=config.heads,
        inner_mlp_size=config.hidden,
        inner_size_multiple_of=16,
        make_vocab_size_divisible_by=8,
        state_size=config.modes,
        eps=1e-6,
        rotary_emb_base=config.base,
        use_interpolated_rotary_pos_emb=config.scaling != 1,
        rotary_emb_scaling_factor=config.scaling,
        mlp_init_method="torch.nn.init.zeros_",
        mlp_output_init_method="torch.nn.init.zeros_",
        proj_groups=1,
        hyena_filter_groups=1,
        column_split_hyena=False,
        column_split=True,
        interleave=True,
        evo2_style_activations=True,
        model_parallel_size=1,
        pipe_parallel_size=1,
        tie_embeddings=True,
        mha_out_proj_bias=True,
        hyena_out_proj_bias=True,
        hyena_flip_x1x2=False,
        qkv_proj_bias=False,
        use_fp8_input_projections=False,
        max_seqlen=32768,
        max_batch_size=1,
        final_norm=True,
        use_flash_attn=False,
        use_flash_rmsnorm=False,
        use_flash_depthwise=False,
        use_flashfft=False,
        use_laughing_hyena=False,
        inference_mode=True,
        prefill_style="fft",
        mlp_activation="gelu",
        print_activations=False,
    )
    model = StripedHyena(options).eval()
    if dtype == torch.float32:
        # Convert before the weights are loaded: vortex creates projections in bfloat16, which would round the weights.
        model.to(torch.float32)
    else:
        model.to_bfloat16_except_pr_lc(to_float32=True)
    state = {name: torch.from_numpy(array.astype(np.float32)) for name, array in weights.items()}
    model.custom_load_state_dict(state, strict=True)
    if dtype != torch.float32:
        # vortex's own loader does this again after it has loaded the weights.
        model.to_bfloat16_except_pr_lc()
    return model


@torch.inference_mode()
def logits(model, ids) -> np.ndarray:
    """Logits [B,L,vocabulary] of whole sequences [B,L] of equal length."""
    return model(torch.as_tensor(np.asarray(ids), dtype=torch.long))[0].float().numpy()
