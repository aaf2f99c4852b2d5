"""The gpt2 architecture: its sizes, its tensors and its layers (Radford et al. 2019, section 2.3).

It has layer normalisation and biases everywhere, and position embeddings instead of rotation. nanoGPT's checkpoints
have this architecture with exact GELU, with or without biases (its model.py).
"""

import re
from functools import cached_property

import numpy as np

from decoder import Decoder
from gguf_file import GgufFile
from hf_config import HfConfig
from hf_folder import HfFolder
from language_model import LanguageModel
from onnx_writer import MICROSOFT, OnnxWriter
from pt_file import PtFile
from shape import Shape, checked, gguf_shape
from source import Source
from weights import QKV, Naming, Weight, Weights, decoder_shapes, gguf_naming, split

# The default of transformers' GPT2Config; nanoGPT's LayerNorm has the same value.
DEFAULT_EPSILON = 1e-5
PARTS = {
    "attn_norm": "ln_1",
    "attn_qkv": "attn.c_attn",
    "attn_output": "attn.c_proj",
    "ffn_norm": "ln_2",
    "ffn_up": "mlp.c_fc",
    "ffn_down": "mlp.c_proj",
}
MATRICES = ("attn_qkv", "attn_output", "ffn_up", "ffn_down")


class Gpt2(LanguageModel):
    """A GPT-2 model."""

    architecture = "gpt2"
    # The activation, and the default for whether the output matrix is the embedding.
    activation = "gelu_new"
    tied = True
    # The number of tokens that are only read, never predicted. They have the last ids.
    unwritten = 0
    # Whether there are biases.
    _biased = True

    def from_gguf(self, file: GgufFile) -> None:
        self.shape = gguf_shape(file, epsilon="attention.layer_norm_epsilon")
        self.weights = Weights(file, gguf_naming("attn_qkv"), self._shapes)

    def from_folder(self, folder: HfFolder) -> None:
        config = folder.config
        config.expect("activation_function", self.activation)
        config.expect("scale_attn_weights", True)
        config.expect("scale_attn_by_inverse_layer_idx", False)
        config.expect("add_cross_attention", False)
        for harmless in ("n_ctx", "reorder_and_upcast_attn", "attn_pdrop", "embd_pdrop", "resid_pdrop", *SUMMARY):
            config.get(harmless)
        epsilon = config.number("layer_norm_epsilon", DEFAULT_EPSILON)
        tied = config.flag("tie_word_embeddings", self.tied)
        if tied and self.unwritten:
            raise config.refuse("tie_word_embeddings", "true is not supported (expected false)")
        hidden = config.count("n_inner", 4 * config.count("n_embd"))
        self.shape = config_shape(config, "n_positions", hidden, epsilon, tied, unwritten=self.unwritten)
        # transformers' GPT-2 stores these matrices as [in, out].
        is_turned = lambda name: name.endswith(MATRICES)
        shapes = {name: shape[::-1] if is_turned(name) else shape for name, shape in self._shapes.items()}
        turned = lambda name, array: array.T if is_turned(name) else array
        self.weights = Weights(folder, naming(folder), shapes, turned)

    def from_checkpoint(self, file: PtFile) -> None:
        config = file.config
        config.get("dropout")
        self._biased, self.activation = config.flag("bias", True), "gelu"
        self.shape = config_shape(config, "block_size", 4 * config.count("n_embd"), DEFAULT_EPSILON, tied=True)
        self.weights = Weights(file, naming(file), self._shapes)

    @cached_property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        s = self.shape
        layer = {
            "attn_qkv": (3 * s.width, s.width),
            "attn_output": (s.width, s.width),
            "ffn_up": (s.hidden, s.width),
            "ffn_down": (s.width, s.hidden),
        }
        layer |= dict.fromkeys(("attn_norm", "ffn_norm"), (s.width,))
        shapes = decoder_shapes(s, **layer) | {"place_embedding": (s.positions, s.width)}
        shapes["embedding"] = (s.vocabulary + self.unwritten, s.width)
        biased = [name for name in shapes if name == "output_norm" or name.startswith("layers.")]
        return shapes | {f"{name}.bias": shapes[name][:1] for name in biased if self._biased}

    def config(self) -> dict:
        return {
            "model_type": self.architecture,
            "activation_function": self.activation,
            "layer_norm_epsilon": self.shape.epsilon,
        }

    def write(self, writer: OnnxWriter) -> None:
        s, weights = self.shape, self.weights
        d = Decoder(writer, s, weights("embedding"))
        x, y = d.embed(weights("place_embedding")), None
        for i in range(s.layers):
            pair = lambda part: self._pair(f"layers.{i}.{part}")
            norm = lambda part: self._norm(f"layers.{i}.{part}")
            x, n = d.residual(x, y, *norm("attn_norm"))
            qkv = zip(*(split(part, dict.fromkeys(QKV, s.width)) for part in pair("attn_qkv")))
            x, a = d.attention(x, n, list(qkv), None)
            x, n = d.residual(x, d.linear(a, *pair("attn_output")), *norm("ffn_norm"))
            y = d.linear(self._activated(writer, d.linear(n, *pair("ffn_up"))), *pair("ffn_down"))
        _, n = d.residual(x, y, *self._norm("output_norm"))
        d.finish(n, None if s.tied else weights("head"))

    def _pair(self, name: str) -> tuple[Weight, ...]:
        """A weight, and its bias if it has one."""
        return (self.weights(name), self.weights(f"{name}.bias")) if self._biased else (self.weights(name),)

    def _activated(self, writer: OnnxWriter, x: str) -> str:
        return writer.node({"gelu_new": "FastGelu", "gelu": "Gelu"}[self.activation], x, domain=MICROSOFT)

    def _norm(self, name: str) -> tuple[Weight, ...]:
        """The weight and the bias of a layer normalisation; a missing bias is zero."""
        zero = Weight(f"{name}.bias", lambda: np.zeros(self.shape.width, np.float32), "")
        return self._pair(name) if self._biased else (self.weights(name), zero)


# Keys of the classification head.
SUMMARY = [f"summary_{key}" for key in ("activation", "first_dropout", "proj_to_labels", "type", "use_proj")]


def config_shape(
    config: HfConfig,
    positions: str,
    hidden: int,
    epsilon: float,
    tied: bool,
    width="n_embd",
    vocabulary="vocab_size",
    unwritten=0,
) -> Shape:
    """The sizes under GPT-2's names; arguments that are strings are keys that differ between models."""
    width, heads = config.count(width), config.count("n_head")
    if width % heads:
        raise config.refuse("n_head", f"{heads} heads do not share {width} dimensions")
    return checked(
        config,
        Shape(
            layers=config.count("n_layer"),
            width=width,
            heads=heads,
            kv_heads=heads,
            head_dim=width // heads,
            hidden=hidden,
            vocabulary=config.count(vocabulary) - unwritten,
            positions=config.count(positions),
            epsilon=epsilon,
            tied=tied,
        ),
    )


def naming(source: Source) -> Naming:
    """The names of a source's tensors. They may lack the prefix `transformer.`, or have a compiler's prefix, too."""
    root = next((name for name in source.shapes() if name.endswith("wte.weight")), "transformer.wte.weight")
    root = root.removesuffix("wte.weight")
    head = f"{root.removesuffix('transformer.')}lm_head"
    whole = {"embedding": f"{root}wte", "place_embedding": f"{root}wpe", "output_norm": f"{root}ln_f", "head": head}
    # Old checkpoints contain the causal mask, which is ignored.
    return Naming(root + "h.{}.", whole, PARTS, re.compile(r".*\.attn\.(bias|masked_bias)"))
