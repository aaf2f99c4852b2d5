"""The StripedHyena 2 architecture (Evo 2) in a vortex checkpoint: its sizes, its tensors and its layers.

Each layer's kind (one of four), groups, taps and widths are read from the tensors. The rotary scaling is in no tensor:
it comes from the table of published models (evo2.py) or from the user.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from errors import ConvertError
from evo2 import Variant
from family import Family
from onnx_writer import MICROSOFT, OnnxWriter
from decoder import Rotary
from pt_file import PtFile
from shape import MAX_POSITIONS, Shape
from weights import Weight
from striped_hyena_graph import SHORT_TAPS, StripedHyenaGraph

# Epsilon is in no tensor. All published configurations have this (`eps` in evo2/configs/*.yml, PyPI's evo2 0.6.0).
EPSILON = 1e-6
# Special token ids of vortex's CharLevelTokenizer.
END, PAD = 0, 1
# GroupQueryAttention and RotaryEmbedding need head sizes that are multiples of this.
HEAD_MULTIPLE = 16


@dataclass(frozen=True)
class Layer:
    """One layer: its kind, named as upstream names its filter, and the shapes of the tensors of this kind."""

    kind: str
    tensors: dict[str, tuple[int, ...]]


def config_of(architecture: str, shape: Shape, kinds: list[str], scaling: float, weights: str) -> dict:
    """config.json of StripedHyena 1 or 2."""
    return {
        "model_type": architecture,
        "layer_types": kinds,
        "rotary_scaling_factor": scaling,
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.width,
        "intermediate_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "max_position_embeddings": shape.positions,
        "rms_norm_eps": shape.epsilon,
        "bos_token_id": None,
        "eos_token_id": END,
        "pad_token_id": PAD,
        "tie_word_embeddings": shape.tied,
        "torch_dtype": weights,
    }


class StripedHyena(Family):
    """A StripedHyena 2 model in a `.pt` checkpoint."""

    modality = "genomic"
    vocabulary = "bytes"

    def __init__(self, source: PtFile, variant: Variant):
        self.source, self.variant = source, variant
        self.architecture = source.architecture
        self._shapes = source.shapes()
        vocabulary, width = self._size("embedding_layer.weight", 2)
        numbers = {int(name.split(".")[1]) for name in self._shapes if name.startswith("blocks.")}
        self.layers = [self._layer(number, width) for number in range(max(numbers, default=-1) + 1)]
        attention = [number for number, layer in enumerate(self.layers) if layer.kind == "attention"]
        if not attention:
            raise ConvertError(f"{source.path}: no attention layer: the size of the heads is unknown")
        # The name of the first rates tensor; all attention layers have equal rates.
        self._rates = f"blocks.{attention[0]}.inner_mha_cls.rotary_emb.inv_freq"
        head_dim = 2 * self._size(self._rates, 1)[0]
        if width % head_dim or head_dim % HEAD_MULTIPLE:
            raise ConvertError(
                f"{source.path}: heads of size {head_dim} in a width of {width}: expected a divisor that is a "
                f"multiple of {HEAD_MULTIPLE}"
            )
        self.shape = Shape(
            layers=len(self.layers),
            width=width,
            heads=width // head_dim,
            kv_heads=width // head_dim,
            head_dim=head_dim,
            hidden=self._size("blocks.0.mlp.l1.weight", 2)[0],
            vocabulary=vocabulary,
            positions=min(variant.positions, MAX_POSITIONS),
            epsilon=EPSILON,
            tied=True,
        )
        self.max_positions = self.shape.positions
        source.check_tensors(self._expected())
        self._check_rates(attention)
        variant.check(source.path, self.shape)

    def _size(self, name: str, axes: int) -> tuple[int, ...]:
        shape = self._shapes.get(name)
        if shape is None:
            raise ConvertError(f"{self.source.path}: tensor {name}: missing")
        if len(shape) != axes or not all(shape):
            raise ConvertError(f"{self.source.path}: tensor {name}: shape {shape}, expected {axes} axes, none empty")
        return shape

    def _layer(self, number: int, width: int) -> Layer:
        """The layer, whose kind follows from the tensors that it has."""
        block = f"blocks.{number}."
        if block + "inner_mha_cls.Wqkv.weight" in self._shapes:
            dim = self._size(block + "inner_mha_cls.rotary_emb.inv_freq", 1)
            return Layer("attention", {
                "inner_mha_cls.Wqkv.weight": (3 * width, width),
                "inner_mha_cls.out_proj.weight": (width, width),
                "inner_mha_cls.out_proj.bias": (width,),
                "inner_mha_cls.rotary_emb.inv_freq": dim,
            })
        hyena = {
            "projections.weight": (3 * width, width),
            "out_filter_dense.weight": (width, width),
            "out_filter_dense.bias": (width,),
            "filter.short_filter_weight": (3 * width, 1, SHORT_TAPS),
        }
        if block + "filter.log_poles" in self._shapes:
            modes = self._size(block + "filter.log_poles", 3)[1]
            own = {"log_poles": (width, modes, 1), "residues": (width, modes), "D": (width,)}
            kind = "long"
        else:
            groups, _, taps = self._size(block + "filter.h", 3)
            if width % groups or taps < 2:
                raise ConvertError(
                    f"{self.source.path}: tensor {block}filter.h: {groups} groups of {taps} taps in a width of {width}"
                )
            own = {"h": (groups, 1, taps)}
            kind = "short"
            # Upstream adds a direct path only to filters of at least 128 taps.
            if block + "filter.D" in self._shapes:
                own["D"], kind = (width,), "medium"
        return Layer(kind, hyena | {f"filter.{name}": shape for name, shape in own.items()})

    def _expected(self) -> dict[str, tuple[int, ...]]:
        width, hidden = self.shape.width, self.shape.hidden
        every = {
            "pre_norm.scale": (width,),
            "post_norm.scale": (width,),
            "mlp.l1.weight": (hidden, width),
            "mlp.l2.weight": (hidden, width),
            "mlp.l3.weight": (width, hidden),
        }
        expected = {"embedding_layer.weight": (self.shape.vocabulary, width), "norm.scale": (width,)}
        for number, layer in enumerate(self.layers):
            expected |= {f"blocks.{number}.{name}": shape for name, shape in (every | layer.tensors).items()}
        return expected

    def _check_rates(self, attention: list[int]) -> None:
        first = self.source.tensor(self._rates)
        for number in attention:
            name = f"blocks.{number}.inner_mha_cls.rotary_emb.inv_freq"
            if not np.array_equal(self.source.tensor(name), first):
                raise ConvertError(f"{self.source.path}: tensor {name}: differs from {self._rates}")

    def parameters(self) -> int:
        return sum(
            math.prod(shape)
            for name, shape in self._shapes.items()
            if not name.endswith("rotary_emb.inv_freq")
        )

    def tables(self, weights: str) -> dict[str, dict]:
        kinds = [layer.kind for layer in self.layers]
        return {"config.json": config_of(self.architecture, self.shape, kinds, self.variant.scaling, weights)}

    def verified(self) -> list[str]:
        return [
            "The striped_hyena_2 graphs of this converter, on random weights of random shapes: logits within 2e-5 of "
            "the model in float64, and of vortex (vtx 1.1.0) in float32 but for what that is off itself (make "
            "test-oracle). These weights themselves: nothing."
        ]

    def notes(self) -> dict:
        return self.variant.notes()

    def write(self, writer: OnnxWriter) -> None:
        graph = StripedHyenaGraph(writer, self.shape, self._weight("embedding_layer.weight"))
        # vortex divides the positions, we divide the rates. The published factors are powers of two, so the angles are
        # equal. They are computed in float64: after 2000 tokens, float32 has an error of 1e-4 in the largest angle.
        rotary = graph.rotary("rotary", self._values(self._rates).astype(np.float64) / self.variant.scaling)
        x, y = graph.embed(), None
        for number, layer in enumerate(self.layers):
            load = lambda name: self._weight(f"blocks.{number}.{name}")
            x, n = graph.residual(x, y, load("pre_norm.scale"))
            if layer.kind == "attention":
                dense, y = "inner_mha_cls.out_proj", self._attention(graph, number, n, rotary)
            else:
                dense, y = "out_filter_dense", self._hyena(graph, number, n)
            if number == self.shape.layers - 1:
                x, y = graph.wanted(x), graph.wanted(y)
            y = graph.linear(y, load(f"{dense}.weight"), load(f"{dense}.bias"))
            x, n = graph.residual(x, y, load("post_norm.scale"))
            gate, up = graph.linear(n, load("mlp.l1.weight")), graph.linear(n, load("mlp.l2.weight"))
            # Only the first layer of Evo 2 has an activation (`evo2_style_activations` in its configurations).
            if number == 0:
                gate = writer.node("Gelu", gate, domain=MICROSOFT)
            y = graph.linear(writer.node("Mul", gate, up), load("mlp.l3.weight"))
        _, n = graph.residual(x, y, self._weight("norm.scale"))
        graph.finish(n, None)

    def _weight(
        self, name: str, edit: Callable[[np.ndarray], np.ndarray] = lambda array: array, part: str = ""
    ) -> Weight:
        """A tensor, or the part of it that `edit` returns; `part` is appended to its name."""
        origin = f"{self.source.path}: tensor {name}"
        return Weight(name.replace("blocks.", "layers.") + part, lambda: edit(self.source.tensor(name)), origin)

    def _values(self, name: str) -> np.ndarray:
        return self.source.tensor(name).astype(np.float32, copy=False)

    def _attention(self, graph: StripedHyenaGraph, number: int, n: str, rotary: Rotary) -> str:
        s = self.shape

        def rows(part: int) -> Callable[[np.ndarray], np.ndarray]:
            # Rows are stored as (head, {q, k, v}, dimension).
            return lambda all: all.reshape(s.heads, 3, s.head_dim, s.width)[:, part].reshape(s.width, s.width)

        name = f"blocks.{number}.inner_mha_cls.Wqkv.weight"
        qkv = [(self._weight(name, rows(part), f".{letter}"),) for part, letter in enumerate("qkv")]
        return graph.heads(number, n, qkv, rotary)

    def _hyena(self, graph: StripedHyenaGraph, number: int, n: str) -> str:
        block, kind = f"blocks.{number}", self.layers[number].kind
        load = lambda name: self._values(f"{block}.filter.{name}")

        def inner(u: str) -> str:
            if kind == "long":
                return graph.long_implicit(number, u, load("log_poles")[:, :, 0], load("residues"), load("D"))
            taps = np.repeat(load("h")[:, 0], self.shape.width // len(load("h")), axis=0)
            if kind == "medium":
                # The filter is stored as an impulse response (first lag first), with a separate direct path.
                taps = taps[:, ::-1].copy()
                taps[:, -1] += load("D")
            return graph.explicit(number, "taps", u, taps)

        z = graph.linear(n, self._weight(f"{block}.projections.weight", separated))
        return graph.hyena(number, z, separated(load("short_filter_weight")[:, 0]), inner)


def separated(rows: np.ndarray) -> np.ndarray:
    """Reorder rows from (channel, {x2, x1, v}) to all of x2, then all of x1, then all of v."""
    return np.concatenate([rows[part::3] for part in range(3)])
