"""The llama architecture (Llama, SmolLM2 and others), also the base of similar families: sizes, tensors and layers."""

from collections.abc import Callable

import numpy as np

from decoder import ENDS, Decoder
from gguf_file import GgufFile
from hf_config import HfConfig
from hf_folder import HfFolder
from language_model import LanguageModel
from onnx_writer import OnnxWriter
from rotary import GGUF_BASE, config_rates, gguf_rates, rope_options
from shape import config_shape, gguf_shape
from weights import QKV, Weight, Weights, folder_naming, gguf_naming, llama_shapes

# The default of transformers' configurations.
DEFAULT_BASE = 10000.0
# The code in GENERator's folders. It computes the same logits as llama; only its `generate` differs.
GENERATOR = {"AutoModelForCausalLM": "modeling_generator.GENERatorForCausalLM"}


class Llama(LanguageModel):
    """A llama model, or the base class of a similar family, which overrides what differs."""

    architecture = "llama"
    # The head size if config.json has none; None: width / heads.
    default_head: int | None = None
    # Whether q, k and v have biases.
    biased = False
    # Norms of a layer that llama does not have, with Hugging Face's names.
    norms: dict[str, str] = {}
    # Matrices that join several of llama's, with Hugging Face's names.
    fused: dict[str, str] = {}
    # The factor of the cosines and sines.
    magnitude = 1.0
    # The number of tokens that a token sees, including itself; -1: all.
    window = -1

    def from_gguf(self, file: GgufFile) -> None:
        self.shape = s = gguf_shape(file)
        self._base = file.number("rope.freq_base", GGUF_BASE)
        self._rates = gguf_rates(file, s.head_dim, self._base)

        def unpaired(name: str, array: np.ndarray) -> np.ndarray:
            heads = {"attn_q": s.heads, "attn_k": s.kv_heads}.get(name.rpartition(".")[2])
            return array if heads is None or file.architecture != "llama" else halves(array, heads)

        self.weights = Weights(file, gguf_naming(*self.norms), self._shapes(), unpaired)

    def from_folder(self, folder: HfFolder) -> None:
        config = folder.config
        config.expect("hidden_act", "silu")
        self.options(config)
        self.shape = config_shape(config, self.default_head)
        self.rotate(config)
        self.weights = Weights(folder, folder_naming(**self.norms, **self.fused), self._shapes())

    def options(self, config: HfConfig) -> None:
        """Read the family's options in config.json, except sizes and rotary options."""
        if config.get("auto_map", GENERATOR) != GENERATOR:
            why = "code of its own, which is not read (if it computes what llama does, take the key out of config.json)"
            raise config.refuse("auto_map", why)
        config.expect("attention_bias", False)
        config.expect("mlp_bias", False)
        config.expect("rope_interleaved", False)

    def rotate(self, config: HfConfig) -> None:
        """Read the rotary options."""
        self._base, scaling = rope_options(config, "rope_theta", DEFAULT_BASE)
        self._rates = config_rates(config, self.shape.head_dim, self._base, scaling)

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        s = self.shape
        q, kv = s.heads * s.head_dim, s.kv_heads * s.head_dim
        biases = {"attn_q.bias": (q,), "attn_k.bias": (kv,), "attn_v.bias": (kv,)} if self.biased else {}
        return llama_shapes(s, **biases, **self.norm_shapes())

    def norm_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of `norms`, which apply to each head."""
        return dict.fromkeys(self.norms, (self.shape.head_dim,))

    def config(self) -> dict:
        window = {"sliding_window": self.window} if self.window > 0 else {}
        return {"model_type": self.architecture, "hidden_act": "silu", "rope_theta": self._base} | window

    def write(self, writer: OnnxWriter) -> None:
        s, weights = self.shape, self.weights
        d = Decoder(writer, s, weights("embedding"))
        tables = d.rotary("rotary", self._rates, self.magnitude)
        x, y = d.embed(), None
        for i in range(s.layers):
            layer = self.layer(i)
            x, n = d.residual(x, y, layer("attn_norm"))
            qkv = [tuple(layer(f"{part}{end}") for end in ENDS[: 1 + self.biased]) for part in QKV]
            x, a = d.attention(x, n, qkv, tables, [layer(norm) for norm in self.norms], self.window)
            x, n = d.residual(x, d.linear(a, layer("attn_output")), layer("ffn_norm"))
            y = d.gated(n, layer, d.silu)
        _, n = d.residual(x, y, weights("output_norm"))
        d.finish(n, None if s.tied else weights("head"))

    def layer(self, number: int) -> Callable[[str], Weight]:
        """A function from the name of a llama part to that weight of this layer."""
        return self.weights.layer(number)


def halves(weight: np.ndarray, heads: int) -> np.ndarray:
    """Reorder rows of Q or K for ONNX Runtime's rotary embedding, which pairs dimension i with i + d/2.

    For this architecture only, llama.cpp's converter stores them interleaved: it pairs 2i with 2i + 1.
    """
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)
