"""The progen architecture (ProGen2, arXiv 2206.13517): a decoder of proteins similar to GPT-J.

Attention and feed-forward run in parallel after one layer normalisation. A part of each head is rotated, in pairs of
neighbouring dimensions. The output matrix has a bias. The code is modeling_progen.py of salesforce/progen on GitHub.
"""

import re

import numpy as np

from decoder import Decoder
from gpt2 import DEFAULT_EPSILON, SUMMARY, config_shape
from hf_folder import HfFolder
from language_model import LanguageModel
from onnx_writer import MICROSOFT, OnnxWriter
from rotary import rates
from weights import QKV, Naming, Weights, decoder_shapes, split

BASE = 10000.0
HARMLESS = ("attn_pdrop", "auto_map", "embd_pdrop", "gradient_checkpointing", "n_ctx", "resid_pdrop")
# The number of cores in training. The fused matrix has for each core the rows of q, then v, then k of its heads.
CORES = 8
NAMING = Naming(
    "transformer.h.{}.",
    {"embedding": "transformer.wte", "output_norm": "transformer.ln_f", "head": "lm_head"},
    {
        "attn_norm": "ln_1",
        "attn_qkv": "attn.qkv_proj",
        "attn_output": "attn.out_proj",
        "ffn_up": "mlp.fc_in",
        "ffn_down": "mlp.fc_out",
    },
    # The causal mask is ignored.
    re.compile(r".*\.attn\.(bias|masked_bias)"),
)


class ProGen2(LanguageModel):
    """A ProGen2 model."""

    architecture = "progen"
    modality = "protein"
    reference = "CodeGen in transformers 4.57.6"

    def from_folder(self, folder: HfFolder) -> None:
        config = folder.config
        config.expect("activation_function", "gelu_new")
        config.expect("scale_attn_weights", True)
        config.expect("tie_word_embeddings", False)
        for harmless in (*HARMLESS, *SUMMARY):
            config.get(harmless)
        # The keys are either Salesforce's or those of the folders on Hugging Face.
        newer = lambda name, old: old if config.get(name) is None else name
        width, rows = newer("embed_dim", "n_embd"), newer("vocab_size_lm_head", "vocab_size")
        hidden = config.count("n_inner", 4 * config.count(width))
        epsilon = config.number("layer_norm_epsilon", DEFAULT_EPSILON)
        self.shape = s = config_shape(config, "n_positions", hidden, epsilon, tied=False, width=width, vocabulary=rows)
        for key in ("vocab_size", "vocab_size_emb"):
            config.expect(key, s.vocabulary)
        self._rotated = config.count("rotary_dim")
        if s.heads % CORES:
            raise config.refuse("n_head", f"expected a multiple of {CORES}, found {s.heads}")
        if self._rotated % 2 or self._rotated > s.head_dim:
            raise config.refuse("rotary_dim", f"expected an even number up to {s.head_dim}, found {self._rotated}")
        edit = lambda name, array: self._in_order(array) if name.endswith("attn_qkv") else array
        self.weights = Weights(folder, NAMING, self._shapes(), edit)

    def _in_order(self, array: np.ndarray) -> np.ndarray:
        """Reorder the rows to q, k, v of all heads; a rotated pair of dimensions gets one in each half."""
        s, end = self.shape, self._rotated
        q, v, k = array.reshape(CORES, 3, -1, s.head_dim, s.width).swapaxes(0, 1)
        apart = lambda x: np.concatenate([x[:, :, :end:2], x[:, :, 1:end:2], x[:, :, end:]], 2)
        return np.concatenate([apart(q), apart(k), v]).reshape(array.shape)

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        s = self.shape
        layer = {
            "attn_norm": (s.width,),
            "attn_qkv": (3 * s.width, s.width),
            "attn_output": (s.width, s.width),
            "ffn_up": (s.hidden, s.width),
            "ffn_down": (s.width, s.hidden),
        }
        layer |= {f"{part}.bias": layer[part][:1] for part in ("attn_norm", "ffn_up", "ffn_down")}
        return decoder_shapes(s, **layer) | {"output_norm.bias": (s.width,), "head.bias": (s.vocabulary,)}

    def config(self) -> dict:
        return {"model_type": "progen", "activation_function": "gelu_new", "rotary_dim": self._rotated}

    def write(self, writer: OnnxWriter) -> None:
        s, weights = self.shape, self.weights
        d = Decoder(writer, s, weights("embedding"))
        tables = d.rotary("rotary", rates(BASE, self._rotated))
        x, y = d.embed(), None
        for i in range(s.layers):
            layer = weights.layer(i)
            biased = lambda part: (layer(part), layer(f"{part}.bias"))
            x, n = d.residual(x, y, *biased("attn_norm"))
            qkv = [(part,) for part in split(layer("attn_qkv"), dict.fromkeys(QKV, s.width))]
            x, a = d.attention(x, n, qkv, tables)
            n = n if i < s.layers - 1 else d.wanted(n)
            h = writer.node("FastGelu", d.linear(n, *biased("ffn_up")), domain=MICROSOFT)
            y = writer.node("Add", d.linear(a, layer("attn_output")), d.linear(h, *biased("ffn_down")))
        _, n = d.residual(x, y, weights("output_norm"), weights("output_norm.bias"))
        d.finish(n, weights("head"), weights("head.bias"))
