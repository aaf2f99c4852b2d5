"""The gemma3 architecture (text only): its sizes, its tensors and its layers (arXiv 2503.19786, section 2)."""

import numpy as np

from decoder import Decoder
from errors import ConvertError
from gguf_file import GgufFile
from hf_folder import HfFolder
from language_model import LanguageModel
from onnx_writer import MICROSOFT, OnnxWriter
from rotary import GGUF_BASE, config_rates, gguf_rates, rates, rope_options
from shape import config_shape, gguf_shape
from weights import QKV, Weights, folder_naming, gguf_naming, llama_shapes

# Every sixth layer sees the whole context, the others only a window.
PATTERN = 6
# The default rotary base of the layers with a window. GGUF files may give only the base of the other layers.
LOCAL_BASE = 10000.0
# Defaults of transformers' Gemma3TextConfig.
DEFAULT_BASE, DEFAULT_HEAD, DEFAULT_SCALAR = 1e6, 256, 256
# Only Gemma 3 27B scales its queries by width / heads, others by the head size. config.json says so, a GGUF file does
# not: llama.cpp recognises this model by its number of layers.
LAYERS_27B = 62
FULL, SLIDING = "full_attention", "sliding_attention"
NORMS = {
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "post_attention_norm": "post_attention_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}


class Gemma3(LanguageModel):
    """A Gemma 3 model."""

    architecture = "gemma3"

    def from_gguf(self, file: GgufFile) -> None:
        self.shape = s = gguf_shape(file)
        if s.layers == LAYERS_27B:
            raise ConvertError(f"{file.path}: Gemma 3 27B ({LAYERS_27B} layers) from GGUF: not supported")
        self._scalar = s.head_dim
        self._base = file.number("rope.freq_base", GGUF_BASE)
        self._local_base = file.number("rope.freq_base_swa", LOCAL_BASE)
        self._rates = gguf_rates(file, s.head_dim, self._base)
        self._window = file.count("attention.sliding_window")
        self._types = self._gguf_types(file)
        self.weights = Weights(file, gguf_naming(*NORMS), self._shapes())

    def _gguf_types(self, file: GgufFile) -> list[str]:
        """The layer types. The metadata gives a period, or for each layer whether it has a window."""
        key, layers = "attention.sliding_window_pattern", self.shape.layers
        pattern = file.own(key)
        if not isinstance(pattern, list):
            return layer_types(layers, file.count(key, PATTERN))
        if len(pattern) != layers:
            raise file.refuse(key, f"expected {layers} layers, found {len(pattern)}")
        return [SLIDING if windowed else FULL for windowed in pattern]

    def from_folder(self, folder: HfFolder) -> None:
        config = folder.config
        config.expect("hidden_activation", "gelu_pytorch_tanh")
        config.expect("attention_bias", False)
        config.expect("use_bidirectional_attention", False)
        config.expect_none("attn_logit_softcapping", "final_logit_softcapping")
        self.shape = s = config_shape(config, DEFAULT_HEAD, tied=True)
        self._scalar = config.number("query_pre_attn_scalar", DEFAULT_SCALAR)
        self._rope(config)
        self._window = config.count("sliding_window")
        pattern = config.count("sliding_window_pattern", config.count("_sliding_window_pattern", PATTERN))
        self._types = config.get("layer_types", layer_types(s.layers, pattern))
        if not isinstance(self._types, list) or len(self._types) != s.layers or not set(self._types) <= {FULL, SLIDING}:
            raise config.refuse("layer_types", f"expected {s.layers} times {FULL} or {SLIDING}")
        naming = folder_naming(**NORMS, ffn_norm="pre_feedforward_layernorm")
        # Hugging Face stores a norm's weight w as w - 1.
        added = lambda name, array: array.astype(np.float32) + np.float32(1) if name.endswith("norm") else array
        self.weights = Weights(folder, naming, self._shapes(), added)

    def _rope(self, config) -> None:
        """Read the rates of both layer types; rope_parameters, if present, has an entry for each type."""
        newer = config.get("rope_parameters")
        if newer is None:
            self._local_base = config.number("rope_local_base_freq", LOCAL_BASE)
            self._base, scaling = rope_options(config, "rope_theta", DEFAULT_BASE)
            self._rates = config_rates(config, self.shape.head_dim, self._base, scaling)
            return
        if not isinstance(newer, dict) or set(newer) != {FULL, SLIDING}:
            raise config.refuse("rope_parameters", f"expected {FULL} and {SLIDING}")
        for kind, value in newer.items():
            if not isinstance(value, dict):
                raise config.refuse("rope_parameters", f"{kind}: expected an object, found {value!r:.40}")
        near = config.inside("rope_parameters", newer[SLIDING])
        near.expect("rope_type", "default")
        self._local_base = near.number("rope_theta", LOCAL_BASE)
        near.finish()
        self._base = config.inside("rope_parameters", newer[FULL]).number("rope_theta", DEFAULT_BASE)
        self._rates = config_rates(config, self.shape.head_dim, self._base, newer[FULL])

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        size, width = (self.shape.head_dim,), (self.shape.width,)
        return llama_shapes(
            self.shape, attn_q_norm=size, attn_k_norm=size, post_attention_norm=width, post_ffw_norm=width
        )

    def config(self) -> dict:
        return {
            "model_type": "gemma3_text",
            "hidden_activation": "gelu_pytorch_tanh",
            "query_pre_attn_scalar": self._scalar,
            "rope_theta": self._base,
            "rope_local_base_freq": self._local_base,
            "sliding_window": self._window,
            "layer_types": self._types,
        }

    def write(self, writer: OnnxWriter) -> None:
        s, weights = self.shape, self.weights
        # 1 plus a published bfloat16 number is not always a bfloat16 number.
        d = Decoder(writer, s, weights("embedding"), wide_norms=True)
        everywhere = d.rotary("rotary_global", self._rates)
        near = d.rotary("rotary_local", rates(self._local_base, s.head_dim))
        gelu = lambda x: writer.node("FastGelu", x, domain=MICROSOFT)
        x, y = writer.node("Mul", d.embed(), d.number("embedding_scale", s.width**0.5)), None
        for i, kind in enumerate(self._types):
            layer = weights.layer(i)
            x, n = d.residual(x, y, layer("attn_norm"))
            norms = [layer("attn_q_norm"), layer("attn_k_norm")]
            tables, window = (everywhere, -1) if kind == FULL else (near, self._window)
            qkv = [(layer(part),) for part in QKV]
            x, a = d.attention(x, n, qkv, tables, norms, window, self._scalar**-0.5)
            a = d.norm(d.linear(a, layer("attn_output")), layer("post_attention_norm"))
            x, n = d.residual(x, a, layer("ffn_norm"))
            y = d.norm(d.gated(n, layer, gelu), layer("post_ffw_norm"))
        _, n = d.residual(x, y, weights("output_norm"))
        d.finish(n, None if s.tied else weights("head"))


def layer_types(layers: int, pattern: int) -> list[str]:
    """The layer types if every `pattern`-th layer sees the whole context."""
    return [FULL if (i + 1) % pattern == 0 else SLIDING for i in range(layers)]
