"""The StripedHyena 1 architecture (Evo 1) in a Hugging Face folder: its sizes, its tensors and its layers.

Layers are attention layers or Hyena layers. A Hyena layer's inner filter has complex modes: h[t] is the real part of
sum_k residue_k pole_k^t. Only biases, the order of rows and the MLP's activation differ from version 2
(striped_hyena.py). Sources of keys, names and defaults: the folders togethercomputer/evo-1-8k-base and -131k-base with
their code, and the PyPI packages evo-model 0.5 and stripedhyena 0.2.2.
"""

import math
from collections.abc import Callable

import numpy as np

from decoder import Rotary
from errors import ConvertError
from family import Family
from hf_folder import HfFolder
from onnx_writer import MICROSOFT, OnnxWriter
from rotary import rates
from shape import MAX_POSITIONS, Shape
from striped_hyena import HEAD_MULTIPLE, config_of
from striped_hyena_graph import SHORT_TAPS, StripedHyenaGraph
from weights import Weight

# The bytes, plus padding of the matrix. StripedHyenas with another vocabulary size have other tokenizers.
VOCABULARY = 512
ROOT, EMBEDDING, HEAD = "backbone.", "backbone.embedding_layer.weight", "backbone.unembed.weight"
RATES = "inner_mha_cls.rotary_emb.inv_freq"
# Saved rates may be in bfloat16. They are only checked, as the modelling code recomputes the rates.
RATES_TOLERANCE = 2.0**-8
# Keys about kernels, training and storage, and about splits that only matter with several groups of projections.
WITHOUT_EFFECT = (
    "auto_map column_split compile inference_mode inner_size_multiple_of log_intermediate_values low_mem_mode"
    " make_vocab_size_divisible_by max_batch_size mlp_init_method mlp_output_init_method model_parallel_size"
    " num_filters pile_parallel_size pipe_parallel_size prefill_style rng_fork split_k0 tie_word_embeddings tokenizer_type"
    " use_flash_attention_2 use_flash_attn use_flash_depthwise use_flash_rmsnorm use_flashfft"
).split()


class Evo1(Family):
    """A StripedHyena 1 model over bytes."""

    architecture = "stripedhyena"
    modality = "genomic"
    vocabulary = "bytes"

    def __init__(self, source: HfFolder):
        self.source, config = source, source.config
        for key, value, default in (
            ("vocab_size", VOCABULARY, 32000), ("proj_groups", 1, 4), ("hyena_filter_groups", 1, 1),
            ("short_filter_length", SHORT_TAPS, 3), ("short_filter_bias", True, True), ("final_norm", True, True),
            ("smeared_gqa", False, False),
        ):
            if config.get(key, default) != value:
                raise config.refuse(key, f"{config.get(key, default)!r:.40} is not supported (expected {value!r})")
        config.expect_none("long_fir_threshold")
        for key in WITHOUT_EFFECT:
            config.get(key)
        width, heads = config.count("hidden_size", 4096), config.count("num_attention_heads", 32)
        if width % heads or width // heads % HEAD_MULTIPLE:
            raise config.refuse("num_attention_heads", f"expected heads of a multiple of {HEAD_MULTIPLE} in {width}")
        self._is_by_head = config.flag("column_split_hyena", True)
        self._qkv_bias, self._out_bias = (config.flag(f"{part}_bias", False) for part in ("qkv_proj", "mha_out_proj"))
        self._modes = config.count("state_size", 2)
        self._activation = config.text("mlp_activation", "silu")
        if self._activation not in ("gelu", "silu"):
            raise config.refuse("mlp_activation", f'"{self._activation}" is not supported (expected gelu or silu)')
        self._base = config.number("rotary_emb_base", 500000.0)
        factor = config.number("rotary_emb_scaling_factor", 1.0)
        self._scaling = factor if config.flag("use_interpolated_rotary_pos_emb", False) else 1.0
        self.shape = Shape(
            layers=config.count("num_layers", 32),
            width=width,
            heads=heads,
            kv_heads=heads,
            head_dim=width // heads,
            hidden=config.count("inner_mlp_size", 14336),
            vocabulary=VOCABULARY,
            positions=min(config.count("max_seqlen", 32768), MAX_POSITIONS),
            epsilon=config.number("eps", 1e-5),
            tied=config.flag("tie_embeddings", False),
        )
        self.max_positions = self.shape.positions
        self.kinds = self._kinds()
        config.finish()
        expected = self._expected()
        self._parameters = sum(map(math.prod, expected.values()))
        attention = [f"{ROOT}blocks.{i}.{RATES}" for i, kind in enumerate(self.kinds) if kind == "attention"]
        known = {*attention, *([HEAD] if self.shape.tied else [])}
        source.check_tensors(expected, known.__contains__)
        self._rates = rates(self._base, self.shape.head_dim)
        for name in attention:
            self._check_rates(name)

    def _kinds(self) -> list[str]:
        config, layers = self.source.config, range(self.shape.layers)
        found = {key: config.get(key, []) for key in ("attn_layer_idxs", "hyena_layer_idxs")}
        for key, numbers in found.items():
            if not isinstance(numbers, list) or not all(type(n) is int and n in layers for n in numbers):
                raise config.refuse(key, f"expected numbers of {len(layers)} layers, found {numbers!r:.40}")
        attention = set(found["attn_layer_idxs"])
        if sorted([*attention, *found["hyena_layer_idxs"]]) != list(layers):
            raise config.refuse("hyena_layer_idxs", "expected every layer that is not in attn_layer_idxs, once")
        return ["attention" if i in attention else "long" for i in layers]

    def _expected(self) -> dict[str, tuple[int, ...]]:
        width, hidden, wide = self.shape.width, self.shape.hidden, 3 * self.shape.width
        kinds = {
            "attention": {"inner_mha_cls.Wqkv.weight": (wide, width), "inner_mha_cls.out_proj.weight": (width, width)}
            | ({"inner_mha_cls.Wqkv.bias": (wide,)} if self._qkv_bias else {})
            | ({"inner_mha_cls.out_proj.bias": (width,)} if self._out_bias else {}),
            "long": {
                "projections.weight": (wide, width),
                "projections.bias": (wide,),
                "out_filter_dense.weight": (width, width),
                "out_filter_dense.bias": (width,),
                "filter.short_filter_weight": (wide, 1, SHORT_TAPS),
                "filter.short_filter_bias": (wide,),
                "filter.poles": (width, self._modes, 1, 2),
                "filter.residues": (width, self._modes, 1, 2),
                "filter.D": (width,),
            },
        }
        every = {
            "pre_norm.scale": (width,),
            "post_norm.scale": (width,),
            "mlp.l1.weight": (hidden, width),
            "mlp.l2.weight": (hidden, width),
            "mlp.l3.weight": (width, hidden),
        }
        table = {EMBEDDING: (VOCABULARY, width), f"{ROOT}norm.scale": (width,)}
        if not self.shape.tied:
            table[HEAD] = (VOCABULARY, width)
        for number, kind in enumerate(self.kinds):
            table |= {f"{ROOT}blocks.{number}.{name}": shape for name, shape in (every | kinds[kind]).items()}
        return table

    def _check_rates(self, name: str) -> None:
        """Check that saved rates are those of rotary_emb_base, from which the modelling code computes them."""
        if name in self.source.shapes():
            found = self.source.tensor(name).astype(np.float64)
            if found.shape != self._rates.shape or np.abs(found / self._rates - 1).max() > RATES_TOLERANCE:
                raise ConvertError(f"{self.source.path}: tensor {name}: not the rates of rotary_emb_base {self._base}")

    def parameters(self) -> int:
        return self._parameters

    def tables(self, weights: str) -> dict[str, dict]:
        config = config_of(self.architecture, self.shape, self.kinds, self._scaling, weights)
        return {"config.json": config | {"rotary_emb_base": self._base, "hidden_act": self._activation}}

    def verified(self) -> list[str]:
        return [
            "The stripedhyena graphs of this converter, on random weights of random shapes: logits within 1e-5 of the "
            "model in float64, and of stripedhyena 0.2.2 in float32 but for what that is off itself (make "
            "test-oracle). These weights themselves: nothing."
        ]

    def write(self, writer: OnnxWriter) -> None:
        graph = StripedHyenaGraph(writer, self.shape, self._weight(EMBEDDING))
        rotary = graph.rotary("rotary", self._rates.astype(np.float64) / self._scaling)
        x, y = graph.embed(), None
        for number, kind in enumerate(self.kinds):
            load = lambda name: self._weight(f"{ROOT}blocks.{number}.{name}")
            x, n = graph.residual(x, y, load("pre_norm.scale"))
            if kind == "attention":
                dense, is_biased = "inner_mha_cls.out_proj", self._out_bias
                y = self._attention(graph, number, n, rotary)
            else:
                dense, is_biased = "out_filter_dense", True
                y = self._hyena(graph, number, n)
            if number == self.shape.layers - 1:
                x, y = graph.wanted(x), graph.wanted(y)
            y = graph.linear(y, load(f"{dense}.weight"), load(f"{dense}.bias") if is_biased else None)
            x, n = graph.residual(x, y, load("post_norm.scale"))
            gate, up = graph.linear(n, load("mlp.l1.weight")), graph.linear(n, load("mlp.l2.weight"))
            gate = graph.silu(gate) if self._activation == "silu" else writer.node("Gelu", gate, domain=MICROSOFT)
            y = graph.linear(writer.node("Mul", gate, up), load("mlp.l3.weight"))
        _, n = graph.residual(x, y, self._weight(f"{ROOT}norm.scale"))
        graph.finish(n, None if self.shape.tied else self._weight(HEAD))

    def _weight(
        self, name: str, edit: Callable[[np.ndarray], np.ndarray] = lambda array: array, part: str = ""
    ) -> Weight:
        """A tensor, or the part of it that `edit` returns; `part` is added to its name."""
        own, end = name.removeprefix(ROOT).replace("blocks.", "layers."), ".bias" if name.endswith(".bias") else ""
        own = own.removesuffix(end) + part + end
        return Weight(own, lambda: edit(self.source.tensor(name)), f"{self.source.path}: tensor {name}")

    def _attention(self, graph: StripedHyenaGraph, number: int, n: str, rotary: Rotary) -> str:
        ends = ("weight", "bias") if self._qkv_bias else ("weight",)

        def third(part: int) -> Callable[[np.ndarray], np.ndarray]:
            return lambda rows: np.split(rows, 3)[part]

        name = f"{ROOT}blocks.{number}.inner_mha_cls.Wqkv."
        qkv = [
            tuple(self._weight(name + end, third(part), f".{letter}") for end in ends)
            for part, letter in enumerate("qkv")
        ]
        return graph.heads(number, n, qkv, rotary)

    def _hyena(self, graph: StripedHyenaGraph, number: int, n: str) -> str:
        block = f"{ROOT}blocks.{number}."

        def load(name: str) -> np.ndarray:
            array = self.source.tensor(f"{block}filter.{name}").astype(np.float64)
            if not np.isfinite(array).all():
                raise ConvertError(f"{self.source.path}: tensor {block}filter.{name}: a weight is not finite")
            return array

        def modes(name: str) -> np.ndarray:
            pairs = load(name)[:, :, 0]
            return pairs[..., 0] + 1j * pairs[..., 1]

        inner = lambda u: graph.long_implicit(number, u, np.log(modes("poles")), modes("residues"), load("D"))
        z = graph.linear(n, *(self._weight(f"{block}projections.{end}", self._separated) for end in ("weight", "bias")))
        taps, bias = (self._separated(load(f"short_filter_{part}")) for part in ("weight", "bias"))
        return graph.hyena(number, z, taps[:, 0], inner, bias)

    def _separated(self, rows: np.ndarray) -> np.ndarray:
        """Reorder rows from (head, {x2, x1, v}, dimension) to all of x2, then all of x1, then all of v."""
        if not self._is_by_head:
            return rows
        split = rows.reshape(self.shape.heads, 3, self.shape.head_dim, *rows.shape[1:])
        return split.swapaxes(0, 1).reshape(rows.shape)
