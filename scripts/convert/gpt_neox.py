"""The gpt_neox architecture (Pythia and others): its sizes, its tensors and its layers (arXiv 2204.06745, section 2).

It has layer normalisation and biases everywhere. Only the first dimensions of each head are rotated. In most models,
attention and feed-forward run in parallel on the same residual.
"""

import re

from decoder import Decoder
from hf_config import HfConfig
from hf_folder import HfFolder
from language_model import LanguageModel
from onnx_writer import MICROSOFT, OnnxWriter
from rotary import config_rates, rope_options
from shape import config_shape
from weights import QKV, Naming, Weights, decoder_shapes, split

# Defaults of transformers' GPTNeoXConfig.
DEFAULT_BASE, DEFAULT_SHARE, DEFAULT_EPSILON = 10000.0, 0.25, 1e-5
NAMING = Naming(
    "gpt_neox.layers.{}.",
    {"embedding": "gpt_neox.embed_in", "output_norm": "gpt_neox.final_layer_norm", "head": "embed_out"},
    {
        "attn_norm": "input_layernorm",
        "attn_qkv": "attention.query_key_value",
        "attn_output": "attention.dense",
        "ffn_norm": "post_attention_layernorm",
        "ffn_up": "mlp.dense_h_to_4h",
        "ffn_down": "mlp.dense_4h_to_h",
    },
    # Old checkpoints contain the causal mask and the rotary rates, which are ignored.
    re.compile(r".*\.attention\.(bias|masked_bias|rotary_emb\.inv_freq)"),
)


class GptNeoX(LanguageModel):
    """A GPT-NeoX model."""

    architecture = "gpt_neox"

    def from_folder(self, folder: HfFolder) -> None:
        config = folder.config
        config.expect("hidden_act", "gelu")
        config.expect("attention_bias", True)
        self.shape = s = config_shape(config, epsilon="layer_norm_eps")
        if s.kv_heads != s.heads or s.head_dim * s.heads != s.width:
            raise config.refuse("num_attention_heads", "expected heads that share the width, with keys of their own")
        self._parallel = config.flag("use_parallel_residual", True)
        self._base, scaling = rope_options(config, "rotary_emb_base", config.number("rope_theta", DEFAULT_BASE))
        config.expect("rope_theta", self._base)
        self._share = self._rotary_share(config, scaling)
        self._rates = config_rates(config, int(s.head_dim * self._share), self._base, scaling, self._share)
        # The fused matrix has q, k and v of the first head, then of the next. The graph needs all q, all k, all v.
        in_order = lambda array: array.reshape(s.heads, 3, s.head_dim, -1).swapaxes(0, 1).reshape(array.shape)
        edit = lambda name, array: in_order(array) if "attn_qkv" in name else array
        self.weights = Weights(folder, NAMING, self._shapes(), edit)

    @staticmethod
    def _rotary_share(config: HfConfig, scaling: dict | None) -> float:
        """The fraction of a head that is rotated."""
        share = config.number("rotary_pct", config.number("partial_rotary_factor", DEFAULT_SHARE))
        if scaling is not None and "partial_rotary_factor" in scaling:
            share = config.inside("rope_scaling", scaling).number("partial_rotary_factor")
        if share > 1:
            raise config.refuse("rotary_pct", f"expected at most 1, found {share}")
        return share

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        s = self.shape
        matrices = {
            "attn_qkv": (3 * s.width, s.width),
            "attn_output": (s.width, s.width),
            "ffn_up": (s.hidden, s.width),
            "ffn_down": (s.width, s.hidden),
        }
        layer = matrices | {f"{name}.bias": shape[:1] for name, shape in matrices.items()}
        for norm in ("attn_norm", "ffn_norm"):
            layer |= {norm: (s.width,), f"{norm}.bias": (s.width,)}
        return decoder_shapes(s, **layer) | {"output_norm.bias": (s.width,)}

    def config(self) -> dict:
        return {
            "model_type": "gpt_neox",
            "hidden_act": "gelu",
            "rotary_emb_base": self._base,
            "rotary_pct": self._share,
            "use_parallel_residual": self._parallel,
        }

    def write(self, writer: OnnxWriter) -> None:
        s, weights = self.shape, self.weights
        d = Decoder(writer, s, weights("embedding"))
        tables = d.rotary("rotary", self._rates)
        x, y = d.embed(), None
        for i in range(s.layers):
            layer = weights.layer(i)
            biased = lambda part: (layer(part), layer(f"{part}.bias"))
            x, n = d.residual(x, y, *biased("attn_norm"))
            qkv = zip(*(split(part, dict.fromkeys(QKV, s.width)) for part in biased("attn_qkv")))
            x, a = d.attention(x, n, list(qkv), tables)
            y = d.linear(a, *biased("attn_output"))
            if self._parallel:
                n = d.norm(x, *biased("ffn_norm"))
            else:
                x, n = d.residual(x, y, *biased("ffn_norm"))
            h = writer.node("Gelu", d.linear(n, *biased("ffn_up")), domain=MICROSOFT)
            h = d.linear(h, *biased("ffn_down"))
            y = writer.node("Add", y, h) if self._parallel else h
        _, n = d.residual(x, y, weights("output_norm"), weights("output_norm.bias"))
        d.finish(n, None if s.tied else weights("head"))
