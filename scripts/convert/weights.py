"""A decoder's weights under our own names, which are the same for all sources.

The names: `embedding`, `place_embedding` (of positions; optional), `output_norm`, `head` (absent if tied), and
`layers.N.PART` for the parts of layer N. Every decoder has the parts attn_output, ffn_up and ffn_down; most have
attn_norm, attn_q, attn_k, attn_v, ffn_norm and ffn_gate. A bias is PART.bias. A matrix is [out, in].
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from blocks import Blocks
from rotary import FACTORS
from shape import Shape
from source import Source


@dataclass(frozen=True)
class Naming:
    """How a kind of source names the tensors of a family.

    `whole` maps our names outside the layers, `layer` those of a layer's parts. A part's name begins with `prefix`, in
    which {} is N. `ignored` matches tensors that are not weights or are duplicates.
    """

    prefix: str
    whole: dict[str, str]
    layer: dict[str, str]
    ignored: re.Pattern = re.compile(r"(?!)")

    def name(self, name: str) -> str:
        """The source's name for our `name`."""
        parts = re.fullmatch(r"layers\.(\d+)\.(.*?)(\.bias)?", name)
        if parts is None:
            return self._suffixed(*re.fullmatch(r"(.*?)(\.bias)?", name).groups(), self.whole, "")
        return self._suffixed(parts[2], parts[3], self.layer, self.prefix.format(parts[1]))

    @staticmethod
    def _suffixed(part: str, bias: str | None, table: dict[str, str], prefix: str) -> str:
        return f"{prefix}{table[part]}{bias or '.weight'}"


def gguf_naming(*parts: str, ignored: str = re.escape(FACTORS), **renamed: str) -> Naming:
    """GGUF's names, which we also use inside the layers. `parts` are the family's parts beyond COMMON, `renamed` those
    with another name in GGUF."""
    whole = {"embedding": "token_embd", "place_embedding": "position_embd", "output_norm": "output_norm", "head": "output"}
    # The rotary factors are read with the angles. They are not weights of the graph.
    return Naming("blk.{}.", whole, {part: part for part in (*COMMON, *parts)} | renamed, re.compile(ignored))


# The parts of a llama layer, with Hugging Face's names. Other families add parts.
COMMON = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


# The parts that make queries, keys and values, in the order that the graph expects.
QKV = ("attn_q", "attn_k", "attn_v")


def folder_naming(**parts: str) -> Naming:
    """Hugging Face's names for a family like llama; `parts` are additional or renamed parts of its layers."""
    whole = {"embedding": "model.embed_tokens", "output_norm": "model.norm", "head": "lm_head"}
    # Old checkpoints contain the rotary rates, which are ignored.
    return Naming("model.layers.{}.", whole, COMMON | parts, re.compile(r".*\.rotary_emb\.inv_freq"))


def llama_shapes(s: Shape, **own: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """The shapes of the weights of a decoder like llama; `own` are additional parts of each layer."""
    q, kv = s.heads * s.head_dim, s.kv_heads * s.head_dim
    return decoder_shapes(
        s,
        attn_norm=(s.width,),
        attn_q=(q, s.width),
        attn_k=(kv, s.width),
        attn_v=(kv, s.width),
        attn_output=(s.width, q),
        ffn_norm=(s.width,),
        ffn_gate=(s.hidden, s.width),
        ffn_up=(s.hidden, s.width),
        ffn_down=(s.width, s.hidden),
        **own,
    )


def decoder_shapes(s: Shape, **layer: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """The shapes of a decoder's weights; `layer` are the shapes of each layer's parts."""
    matrix = (s.vocabulary, s.width)
    whole = {"embedding": matrix, "output_norm": (s.width,)} | ({} if s.tied else {"head": matrix})
    return whole | {f"layers.{i}.{part}": shape for i in range(s.layers) for part, shape in layer.items()}


@dataclass(frozen=True)
class Weight:
    """One weight: our name for it, a function that reads it, and its origin for messages."""

    name: str
    read: Callable[[], np.ndarray]
    origin: str
    read_blocks: Callable[[], Blocks | None] = lambda: None
    # The weights that it is joined from. They are not kept in memory after they are read.
    parts: tuple["Weight", ...] = ()

    @cached_property
    def array(self) -> np.ndarray:
        """Its values."""
        return self.read()

    @cached_property
    def blocks(self) -> Blocks | None:
        """The matrix in the source's blocks; None if the source has no blocks for it."""
        return self.read_blocks()


def joined(name: str, parts: Sequence[Weight]) -> Weight:
    """One weight that stacks the rows of weights with equal columns."""
    return Weight(name, lambda: np.concatenate([part.read() for part in parts]), parts[0].origin, parts=tuple(parts))


def split(weight: Weight, rows: dict[str, int]) -> list[Weight]:
    """Cut a layer's matrix or bias into named parts with these numbers of rows; it is read only once."""
    before, bias = re.fullmatch(r"(layers\.\d+\.)\w+?(\.bias)?", weight.name).groups(default="")
    ends = np.cumsum([*rows.values()])

    def part(name: str, start: int, end: int) -> Weight:
        cut = lambda array: array[start:end]
        blocks = lambda: None if weight.blocks is None else weight.blocks.edited(cut)
        return Weight(f"{before}{name}{bias}", lambda: cut(weight.array), weight.origin, blocks)

    return [part(name, end - count, end) for (name, count), end in zip(rows.items(), ends)]


class Weights:
    """The weights of one model. Their shapes are checked at once; each weight is read when it is used."""

    def __init__(
        self,
        source: Source,
        naming: Naming,
        shapes: dict[str, tuple[int, ...]],
        edit: Callable[[str, np.ndarray], np.ndarray] = lambda name, array: array,
    ):
        """`edit` gets our name and the source's array, and returns the array that the graph needs.

        For a matrix in blocks, it may only reorder rows.
        """
        self._source, self._shapes, self._edit = source, shapes, edit
        self._names = {name: naming.name(name) for name in shapes}
        # A tied matrix may have both names (transformers then reads the embedding's) or only the head's.
        head, found = None if "head" in shapes else naming.name("head"), source.shapes()
        if head in found and self._names["embedding"] not in found:
            self._names["embedding"] = head
        expected = {self._names[name]: shape for name, shape in shapes.items()}
        ignored = lambda name: name == head or naming.ignored.fullmatch(name) is not None
        source.check_tensors(expected, ignored)

    def __call__(self, name: str) -> Weight:
        own = self._names[name]
        edit = lambda array: self._edit(name, array)

        def blocks() -> Blocks | None:
            packed = self._source.blocks(own)
            return None if packed is None else packed.edited(edit)

        origin = f"{self._source.tensor_file}: tensor {own}"
        return Weight(name, lambda: edit(self._source.tensor(own)), origin, blocks)

    def layer(self, number: int) -> Callable[[str], Weight]:
        """A function from a part's name to that weight of this layer."""
        return lambda part: self(f"layers.{number}.{part}")

    def parameters(self) -> int:
        """The number of weights; a tied embedding counts once."""
        return sum(math.prod(shape) for shape in self._shapes.values())
