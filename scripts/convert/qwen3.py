"""The qwen3 architecture (Qwen3, dense): its sizes, its tensors and its layers (arXiv 2505.09388, section 2).

As llama's, but queries and keys are normalised head by head before they are rotated, and the head's size is given.
"""

from decoder import Decoder
from gguf_file import GgufFile
from hf_folder import HfFolder
from language_model import LanguageModel
from onnx_writer import OnnxWriter
from rotary import GGUF_BASE, config_rates, gguf_rates, rope_options
from shape import config_shape, gguf_shape
from weights import QKV, Weights, folder_naming, gguf_naming, llama_shapes

# transformers' Qwen3Config.
DEFAULT_BASE = 10000.0
DEFAULT_HEAD = 128


class Qwen3(LanguageModel):
    """A Qwen3 model."""

    architecture = "qwen3"

    def from_gguf(self, file: GgufFile) -> None:
        self.shape = s = gguf_shape(file)
        self._base = file.number("rope.freq_base", GGUF_BASE)
        self._rates = gguf_rates(file, s.head_dim, self._base)
        size = (s.head_dim,)
        shapes = llama_shapes(s, attn_q_norm=size, attn_k_norm=size)
        self.weights = Weights(file, gguf_naming("attn_q_norm", "attn_k_norm"), shapes)

    def from_folder(self, folder: HfFolder) -> None:
        config = folder.config
        config.expect("hidden_act", "silu")
        config.expect("attention_bias", False)
        config.expect("use_sliding_window", False)
        config.get("sliding_window")
        self.shape = s = config_shape(config, DEFAULT_HEAD)
        config.expect("layer_types", ["full_attention"] * s.layers)
        self._base, scaling = rope_options(config, "rope_theta", DEFAULT_BASE)
        self._rates = config_rates(config, s.head_dim, self._base, scaling)
        naming = folder_naming(attn_q_norm="self_attn.q_norm", attn_k_norm="self_attn.k_norm")
        size = (s.head_dim,)
        self.weights = Weights(folder, naming, llama_shapes(s, attn_q_norm=size, attn_k_norm=size))

    def config(self) -> dict:
        return {"model_type": "qwen3", "hidden_act": "silu", "rope_theta": self._base}

    def write(self, writer: OnnxWriter) -> None:
        s, weights = self.shape, self.weights
        d = Decoder(writer, s, weights("embedding"))
        tables = d.rotary("rotary", self._rates)
        x, y = d.embed(), None
        for i in range(s.layers):
            layer = weights.layer(i)
            x, n = d.residual(x, y, layer("attn_norm"))
            norms = [layer("attn_q_norm"), layer("attn_k_norm")]
            x, a = d.attention(x, n, [(layer(part),) for part in QKV], tables, norms)
            x, n = d.residual(x, d.linear(a, layer("attn_output")), layer("ffn_norm"))
            y = d.gated(n, layer, d.silu)
        _, n = d.residual(x, y, weights("output_norm"))
        d.finish(n, None if s.tied else weights("head"))
