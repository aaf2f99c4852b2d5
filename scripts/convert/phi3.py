"""The phi3 architecture (Phi-3, Phi-3.5, Phi-4; arXiv 2404.14219): llama's, with fused matrices, a window and longrope.

longrope has one set of rates for texts up to the original training length, and another set for longer texts. A text
that grows beyond this length must be read again. The graph has only the first set: it takes up to 4096 tokens.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gguf_file import GgufFile
from hf_config import HfConfig
from llama import DEFAULT_BASE, Llama
from rotary import GGUF_BASE, config_rates, gguf_factors, gguf_rates, rates, rope_options
from shape import gguf_shape
from weights import QKV, Weight, Weights, gguf_naming, split

# The default of transformers' Phi3Config.
DEFAULT_TRAINED = 4096
# transformers' names for longrope.
LONGROPE = ("longrope", "su")
# The tensors with the rotary factors in a GGUF file.
SHORT, EITHER = "rope_factors_short.weight", r"rope_factors_(short|long)\.weight"
# The window of the 4k models. Old GGUF files lack it; llama.cpp, too, derived it from the context for them.
CONTEXT_4K, WINDOW_4K = 4096, 2047


class Phi3(Llama):
    """A Phi-3 model."""

    architecture = "phi3"
    fused = {"attn_qkv": "self_attn.qkv_proj", "ffn_gate_up": "mlp.gate_up_proj"}

    def from_gguf(self, file: GgufFile) -> None:
        self.shape = s = gguf_shape(file, partial=True)
        self.window = file.own("attention.sliding_window", WINDOW_4K if s.positions == CONTEXT_4K else 0)
        if type(self.window) is not int or self.window < 0:
            raise file.refuse("attention.sliding_window", f"expected a number of tokens or 0, found {self.window!r:.40}")
        # llama.cpp's converter writes 0 if there is no window.
        self.window = self.window or -1
        dims = file.count("rope.dimension_count", s.head_dim)
        if dims > s.head_dim or dims % 2:
            raise file.refuse("rope.dimension_count", f"{dims} of the {s.head_dim} dimensions of a head")
        self._base = file.number("rope.freq_base", GGUF_BASE)
        if SHORT in file.shapes():
            file.expect("rope.scaling.type", LONGROPE[0])
            self._rates = rates(self._base, dims, gguf_factors(file, SHORT, dims))
            self.magnitude = file.number("rope.scaling.attn_factor", 1.0)
            trained = file.count("rope.scaling.original_context_length", DEFAULT_TRAINED)
            self.shape = replace(s, positions=min(s.positions, trained))
        else:
            self._rates = gguf_rates(file, dims, self._base)
        self.weights = Weights(file, gguf_naming("attn_qkv", ffn_gate_up="ffn_up", ignored=EITHER), self._shapes())

    def options(self, config: HfConfig) -> None:
        for key in ("attention_bias", "lm_head_bias", "mlp_bias"):
            config.expect(key, False)
        for key in ("full_attn_mod", "interpolate_factor"):
            config.expect(key, 1)
        for harmless in ("auto_map", "embd_pdrop", "resid_pdrop"):
            config.get(harmless)
        if config.get("sliding_window") is not None:
            self.window = config.count("sliding_window")

    def rotate(self, config: HfConfig) -> None:
        s, share = self.shape, config.number("partial_rotary_factor", 1.0)
        dims, trained = int(s.head_dim * share), config.count("original_max_position_embeddings", DEFAULT_TRAINED)
        self._base, scaling = rope_options(config, "rope_theta", DEFAULT_BASE)
        options = config.inside("rope_scaling", scaling or {})
        if options.text("rope_type", options.get("type", "default")) not in LONGROPE:
            self._rates = config_rates(config, dims, self._base, scaling, share)
            return
        for key, value in {
            "rope_theta": self._base, "partial_rotary_factor": share, "original_max_position_embeddings": trained
        }.items():
            options.expect(key, value)
        factors = options.get("short_factor")
        is_number = lambda value: type(value) in (int, float) and 0 < value < math.inf
        if not isinstance(factors, list) or len(factors) != dims // 2 or not all(map(is_number, factors)):
            raise options.refuse("short_factor", f"expected {dims // 2} positive numbers")
        options.get("long_factor")
        options.finish()
        self._rates = rates(self._base, dims, np.array(factors, np.float32))
        longer = config.count("max_position_embeddings") / trained
        if longer > 1:
            self.magnitude = math.sqrt(1 + math.log(longer) / math.log(trained))
        self.shape = replace(s, positions=min(s.positions, trained))

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        s, shapes = self.shape, super()._shapes()
        for i in range(s.layers):
            for whole, rows in self._rows().items():
                for part in rows:
                    del shapes[f"layers.{i}.{part}"]
                shapes[f"layers.{i}.{whole}"] = (sum(rows.values()), s.width)
        return shapes

    def _rows(self) -> dict[str, dict[str, int]]:
        """The parts of each fused matrix, with their numbers of rows."""
        s = self.shape
        sizes = (s.heads * s.head_dim, s.kv_heads * s.head_dim, s.kv_heads * s.head_dim)
        return {"attn_qkv": dict(zip(QKV, sizes)), "ffn_gate_up": dict.fromkeys(("ffn_gate", "ffn_up"), s.hidden)}

    def layer(self, number: int) -> Callable[[str], Weight]:
        layer = super().layer(number)
        parts = {p: w for whole, rows in self._rows().items() for p, w in zip(rows, split(layer(whole), rows))}
        return lambda part: parts.get(part) or layer(part)
