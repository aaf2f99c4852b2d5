"""The llama architecture (Llama, SmolLM2 and others): its sizes, its tensors and its layers."""

import numpy as np

from decoder import Decoder
from gguf_file import GgufFile
from hf_folder import HfFolder
from language_model import LanguageModel
from onnx_writer import OnnxWriter
from rotary import GGUF_BASE, config_rates, gguf_rates, rope_options
from shape import config_shape, gguf_shape
from weights import QKV, Weights, folder_naming, gguf_naming, llama_shapes

# transformers' LlamaConfig.
DEFAULT_BASE = 10000.0


class Llama(LanguageModel):
    """A llama model."""

    architecture = "llama"

    def from_gguf(self, file: GgufFile) -> None:
        self.shape = s = gguf_shape(file)
        self._base = file.number("rope.freq_base", GGUF_BASE)
        self._rates = gguf_rates(file, s.head_dim, self._base)

        def unpaired(name: str, array: np.ndarray) -> np.ndarray:
            heads = {"attn_q": s.heads, "attn_k": s.kv_heads}.get(name.rpartition(".")[2])
            return array if heads is None else halves(array, heads)

        self.weights = Weights(file, gguf_naming(), llama_shapes(s), unpaired)

    def from_folder(self, folder: HfFolder) -> None:
        config = folder.config
        config.expect("hidden_act", "silu")
        config.expect("attention_bias", False)
        config.expect("mlp_bias", False)
        config.expect("rope_interleaved", False)
        self.shape = s = config_shape(config)
        self._base, scaling = rope_options(config, "rope_theta", DEFAULT_BASE)
        self._rates = config_rates(config, s.head_dim, self._base, scaling)
        self.weights = Weights(folder, folder_naming(), llama_shapes(s))

    def config(self) -> dict:
        return {"model_type": "llama", "hidden_act": "silu", "rope_theta": self._base}

    def write(self, writer: OnnxWriter) -> None:
        s, weights = self.shape, self.weights
        d = Decoder(writer, s, weights("embedding"))
        tables = d.rotary("rotary", self._rates)
        x, y = d.embed(), None
        for i in range(s.layers):
            layer = weights.layer(i)
            x, n = d.residual(x, y, layer("attn_norm"))
            x, a = d.attention(x, n, [(layer(part),) for part in QKV], tables)
            x, n = d.residual(x, d.linear(a, layer("attn_output")), layer("ffn_norm"))
            y = d.gated(n, layer, d.silu)
        _, n = d.residual(x, y, weights("output_norm"))
        d.finish(n, None if s.tied else weights("head"))


def halves(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of Q or K as the rotary embedding of ONNX Runtime pairs them: i with i + d/2.

    llama.cpp's converter stores them interleaved, 2i with 2i + 1, for this architecture only.
    """
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)
