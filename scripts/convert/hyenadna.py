"""The hyenadna architecture (HyenaDNA), in both kinds of folders: its sizes, its tensors, its filters, its layers.

The long filters are not tensors but functions of the lag: a small network over waves, times a decaying window. They
are computed here, in float64, for as many lags as the longest prompt may have. Source of the names of tensors and
keys, the shared frequency and the window's shift: the folders LongSafari/hyenadna-*-seqlen-hf and their code.
"""

import math
from functools import partial

import numpy as np

from errors import ConvertError
from evo2 import Told
from family import Family
from hf_folder import HfFolder
from hyena_graph import SHORT_TAPS, HyenaGraph
from lightning_folder import LightningFolder
from onnx_writer import MICROSOFT, OnnxWriter
from shape import Shape
from weights import Weight

# The folders have no tokenizer.json. These tokens and ids are those of the tokenizer's code.
TOKENS = ("[CLS]", "[SEP]", "[BOS]", "[MASK]", "[PAD]", "[RESERVED]", "[UNK]", *"ACGTN")
BOS, END, PAD = 2, 1, 4
# The default number of lags in a filter. The longest prompts of this field have half as many tokens.
POSITIONS = 8192
# The default of torch's LayerNorm, which the layers' norms use.
EPSILON = 1e-5
# The value that the window decays to.
SHIFT = 0.05
# Training options, and one that the modelling code reads but never uses.
WITHOUT_EFFECT = ("auto_map", "embed_dropout", "hyena_dropout", "hyena_filter_dropout", "use_bias")
EMBEDDING, HEAD = "hyena.backbone.embeddings.word_embeddings.weight", "lm_head.weight"


class HyenaDna(Family):
    """A HyenaDNA model."""

    architecture = "hyenadna"
    modality = "genomic"

    def __init__(self, source: HfFolder | LightningFolder, told: Told):
        self.source, config = source, source.config
        if told.model is not None or told.scaling is not None:
            raise ConvertError(f"{source.path}: of a HyenaDNA model only --max-positions can be said")
        width = config.count("d_model", 256)
        config.expect("vocab_size", len(TOKENS))
        multiple = config.count("pad_vocab_size_multiple", 8)
        self._context = config.count("max_seq_len", 1024)
        self._bands, self._order = config.count("emb_dim", 3), config.count("filter_order", 64)
        self._inner = config.count("num_inner_mlps", 2)
        self._frequency = None if config.flag("train_freq", True) else config.number("activation_freq", 1.0)
        config.get("activation_freq")
        config.expect("hyena_order", 2)
        config.expect("short_filter_order", SHORT_TAPS)
        config.expect("layer_norm_epsilon", EPSILON)
        for key in WITHOUT_EFFECT:
            config.get(key)
        self.max_positions = min(self._context, told.positions or POSITIONS)
        if told.positions is not None and told.positions > self._context:
            raise ConvertError(f"{source.path}: --max-positions {told.positions}: max_seq_len is {self._context}")
        self.shape = Shape(
            layers=config.count("n_layer", 12),
            width=width,
            heads=1,
            kv_heads=1,
            head_dim=width,
            hidden=config.count("d_inner", 4 * width),
            vocabulary=math.ceil(len(TOKENS) / multiple) * multiple,
            positions=self.max_positions,
            epsilon=EPSILON,
            tied=config.flag("tie_word_embeddings", True),
        )
        config.finish()
        expected = self._expected()
        self._parameters = sum(math.prod(shape) for name, shape in expected.items() if not is_table(name))
        frequencies = [self._frequency_names(i) for i in range(self.shape.layers)]
        known = {*sum(frequencies, []), *([HEAD] if self.shape.tied else [])}
        source.check_tensors(expected, known.__contains__)
        self._frequencies = list(map(self._shared_frequency, frequencies))

    def _filter(self, layer: int) -> str:
        return f"hyena.backbone.layers.{layer}.mixer.filter_fn."

    def _expected(self) -> dict[str, tuple[int, ...]]:
        s, order = self.shape, self._order
        linear = lambda name, out, into: {f"{name}.weight": (out, into), f"{name}.bias": (out,)}
        norm = lambda name: {f"{name}.weight": (s.width,), f"{name}.bias": (s.width,)}
        table = {EMBEDDING: (s.vocabulary, s.width)} | norm("hyena.backbone.ln_f")
        if not s.tied:
            table[HEAD] = (s.vocabulary, s.width)
        for i in range(s.layers):
            layer, filter = f"hyena.backbone.layers.{i}.", self._filter(i)
            table |= norm(f"{layer}norm1") | norm(f"{layer}norm2")
            table |= linear(f"{layer}mixer.in_proj", 3 * s.width, s.width)
            table |= linear(f"{layer}mixer.out_proj", s.width, s.width)
            table |= linear(f"{layer}mlp.fc1", s.hidden, s.width) | linear(f"{layer}mlp.fc2", s.width, s.hidden)
            table |= {
                f"{layer}mixer.short_filter.weight": (3 * s.width, 1, SHORT_TAPS),
                f"{layer}mixer.short_filter.bias": (3 * s.width,),
                f"{filter}bias": (s.width,),
                f"{filter}pos_emb.z": (1, self._context, self._bands),
                f"{filter}pos_emb.t": (1, self._context, 1),
                f"{filter}modulation.deltas": (1, 1, s.width),
                f"{filter}implicit_filter.{2 + 2 * self._inner}.weight": (s.width, order),
            }
            for j in range(1 + self._inner):
                table |= linear(f"{filter}implicit_filter.{2 * j}", order, self._bands if j == 0 else order)
        return table

    def _frequency_names(self, layer: int) -> list[str]:
        """The names of the filter's one shared frequency: it is saved under one of them, or under all."""
        count = 1 + self._inner if self._frequency is None else 0
        return [f"{self._filter(layer)}implicit_filter.{1 + 2 * j}.freq" for j in range(count)]

    def _shared_frequency(self, names: list[str]) -> np.ndarray:
        """The factor that all activations of a filter apply before the sine."""
        if not names:
            return np.full((1, self._order), self._frequency)
        shapes = self.source.shapes()
        found = [name for name in names if name in shapes]
        if not found:
            raise ConvertError(f"{self.source.path}: tensor {names[0]}: missing")
        for name in found:
            if shapes[name] != (1, self._order):
                shape = (1, self._order)
                raise ConvertError(f"{self.source.path}: tensor {name}: shape {shapes[name]}, expected {shape}")
            if not np.array_equal(self.source.tensor(name), self.source.tensor(found[0])):
                raise ConvertError(f"{self.source.path}: tensor {name}: differs from {found[0]}")
        return self._exact(found[0])

    def parameters(self) -> int:
        frequencies = 0 if self._frequency is not None else self.shape.layers * self._order
        return self._parameters + frequencies

    def tables(self, weights: str) -> dict[str, dict]:
        s = self.shape
        config = {
            "model_type": self.architecture,
            "vocab_size": s.vocabulary,
            "hidden_size": s.width,
            "intermediate_size": s.hidden,
            "num_hidden_layers": s.layers,
            "max_position_embeddings": s.positions,
            "layer_norm_eps": s.epsilon,
            "bos_token_id": BOS,
            "eos_token_id": END,
            "pad_token_id": PAD,
            "tie_word_embeddings": s.tied,
            "torch_dtype": weights,
        }
        return {"config.json": config, "tokenizer.json": tokenizer()}

    def verified(self) -> list[str]:
        return [
            "The hyenadna graphs of this converter, on random weights of random shapes: logits within 1e-5 of the "
            "model in float64, and of its published arithmetic in float32 but for what that is off itself (make "
            "test-oracle). These weights themselves: nothing."
        ]

    def write(self, writer: OnnxWriter) -> None:
        graph = HyenaGraph(writer, self.shape, self._weight(EMBEDDING))
        x, y = graph.embed(), None
        for i in range(self.shape.layers):
            layer = f"hyena.backbone.layers.{i}."
            biased = lambda part: [self._weight(f"{layer}{part}.{end}") for end in ("weight", "bias")]
            exact = lambda part: self._exact(f"{layer}mixer.short_filter.{part}")
            x, n = graph.residual(x, y, *biased("norm1"))
            z = graph.linear(n, *biased("mixer.in_proj"))
            y = graph.hyena(i, z, exact("weight")[:, 0], exact("bias"), self._long(i))
            if i == self.shape.layers - 1:
                x, y = graph.wanted(x), graph.wanted(y)
            x, n = graph.residual(x, graph.linear(y, *biased("mixer.out_proj")), *biased("norm2"))
            h = writer.node("FastGelu", graph.linear(n, *biased("mlp.fc1")), domain=MICROSOFT)
            y = graph.linear(h, *biased("mlp.fc2"))
        _, n = graph.residual(x, y, *(self._weight(f"hyena.backbone.ln_f.{end}") for end in ("weight", "bias")))
        graph.finish(n, None if self.shape.tied else self._weight(HEAD))

    def _weight(self, name: str) -> Weight:
        own = name.removeprefix("hyena.backbone.").removesuffix(".weight")
        return Weight(own, partial(self.source.tensor, name), f"{self.source.path}: tensor {name}")

    def _exact(self, name: str) -> np.ndarray:
        array = self.source.tensor(name).astype(np.float64)
        if not np.isfinite(array).all():
            raise ConvertError(f"{self.source.path}: tensor {name}: a weight is not finite")
        return array

    def _long(self, layer: int) -> np.ndarray:
        """The long filter [channels,lags], with the direct path in its first lag."""
        load = lambda name: self._exact(self._filter(layer) + name)
        x = load("pos_emb.z")[0, : self.max_positions]
        for j in range(1 + self._inner):
            x = x @ load(f"implicit_filter.{2 * j}.weight").T + load(f"implicit_filter.{2 * j}.bias")
            x = np.sin(self._frequencies[layer] * x)
        x = x @ load(f"implicit_filter.{2 + 2 * self._inner}.weight").T
        decay = np.exp(-load("pos_emb.t")[0, : self.max_positions] * np.abs(load("modulation.deltas")[0]))
        h = (x * (decay + SHIFT)).T
        h[:, 0] += load("bias")
        return h


def is_table(name: str) -> bool:
    """Whether a tensor is a table over lags or channels, not a weight."""
    return name.endswith((".pos_emb.z", ".pos_emb.t", ".modulation.deltas"))


def tokenizer() -> dict:
    """The character tokenizer in the format of `tokenizers`. Characters outside the vocabulary become [UNK]."""
    special = [
        {"id": id, "content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
         "special": True}
        for id, token in enumerate(TOKENS) if len(token) > 1
    ]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special,
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": None,
        "model": {"type": "BPE", "dropout": None, "unk_token": "[UNK]", "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": {token: id for id, token in enumerate(TOKENS)}, "merges": []},
    }
