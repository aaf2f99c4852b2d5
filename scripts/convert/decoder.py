"""The subset graph: what every converted decoder has in common, whatever its layers look like.

Inputs
    input_ids       int64 [B,T]   this call's tokens
    attention_mask  int64 [B,S]   S = P + T; 1 for a token, 0 for padding, which must be on the right
    positions       int64 [B,Q]   the places among this call's T tokens at which logits are wanted; Q may be 0
    vocab_ids       int64 [V]     the vocabulary rows wanted; V = 0 means the whole vocabulary in id order
    past_key_values.N.key, .value   float32 [B,KV,P,DH]   P = 0 in the first call
Outputs
    logits          float32 [B,Q,V], or [B,Q,vocabulary] where V = 0
    present.N.key, .value           float32 [B,KV,S,DH]   the next call's past

On a CPU, past_key_values.* may have room for more than has been read, P then being all its rows; S remains the mask's
length. Where it has room for the call's tokens, it may be bound to present.*, too, and is written in place.

A call may be a whole prompt (P = 0), one token (T = 1) or, with B = 1 only, a further chunk (P > 0, T > 1): ONNX
Runtime's GroupQueryAttention allows no more.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from blocks import BLOCK, Blocks
from onnx_writer import MICROSOFT, OnnxWriter
from shape import Shape
from weights import Weight

# GroupQueryAttention rotates heads of these sizes only, and this many of their dimensions; others are rotated before.
HEAD_MULTIPLE = 16
ROTARY_MULTIPLE = 16
# Since when ONNX has an operator for attention.
ATTENTION_OPSET = 23
# MatMulNBits' `accuracy_level` that computes in float32.
FLOAT32 = 1
END = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Rotary:
    """Tables of cosines and sines, [positions, dims / 2], for the first `dims` dimensions of a head."""

    cos: str
    sin: str
    dims: int


class Decoder:
    """Builds the subset graph; an architecture adds its layers between `embed` and `finish`."""

    def __init__(self, writer: OnnxWriter, shape: Shape, embedding: Weight):
        self.writer = w = writer
        self.shape = shape
        self._ids = w.input("input_ids", TensorProto.INT64, ["B", "T"])
        self._mask = w.input("attention_mask", TensorProto.INT64, ["B", "S"])
        self._positions = w.input("positions", TensorProto.INT64, ["B", "Q"])
        self._rows = w.input("vocab_ids", TensorProto.INT64, ["V"])
        self._embedding = self._stored(embedding)
        # Keys and values by layer.
        self._caches: dict[int, tuple[str, str]] = {}
        self._built: dict[str, str] = {}
        last = w.node("Sub", w.node("ReduceSum", self._mask, w.integers(1), keepdims=0), w.integers(1))
        self._last = w.node("Cast", last, to=TensorProto.INT32)
        total = w.node("Cast", w.node("Shape", self._mask, start=1, end=2), to=TensorProto.INT32)
        self._total = w.node("Squeeze", total, w.integers(0))

    def _stored(self, weight: Weight, transposed: bool = False) -> str:
        return self.writer.matrix(weight.name, weight.array, transposed, weight.origin)

    def vector(self, weight: Weight) -> str:
        """A norm or a bias: float32, whatever type the matrices have."""
        return self.writer.constant(weight.name, weight.array.astype(np.float32))

    def embed(self) -> str:
        return self.writer.widened(self.writer.node("Gather", self._embedding, self._ids, axis=0))

    def rotary(self, name: str, rates: np.ndarray) -> Rotary:
        """Tables for rotating the first 2 len(rates) dimensions of each head, by position times rate."""
        angles = np.outer(np.arange(self.shape.positions, dtype=np.float32), rates)
        cos = self.writer.constant(f"{name}.cos", np.cos(angles).astype(np.float32))
        sin = self.writer.constant(f"{name}.sin", np.sin(angles).astype(np.float32))
        return Rotary(cos, sin, 2 * len(rates))

    def _token_places(self) -> str:
        """The position of each of this call's tokens, [B,T].

        The last token of a row has the position that its mask counts; in a first call padding may follow it, and then
        the row begins at 0 all the same.
        """
        w = self.writer
        length = w.node("Squeeze", w.node("Shape", self._ids, start=1, end=2), w.integers(0))
        last = w.node("Cast", self._last, to=TensorProto.INT64)
        first = w.node("Add", w.node("Sub", last, length), w.integers(1))
        first = w.node("Max", w.node("Unsqueeze", first, w.integers(1)), w.integers(0))
        return w.node("Add", first, w.node("Range", self._integer(0), length, self._integer(1)))

    def _integer(self, value: int) -> str:
        """A constant int64 without dimensions."""
        return self._shared(f"n{value}", lambda: self.writer.constant(f"n{value}", np.array(value, np.int64)))

    def _shared(self, name: str, build: Callable[[], str]) -> str:
        """A value that several layers use, built once."""
        if name not in self._built:
            self._built[name] = build()
        return self._built[name]

    def _rotated(self, x: str, heads: int, rotary: Rotary) -> str:
        """x [B,T,heads * head_dim], rotated."""
        return self.writer.node(
            "RotaryEmbedding",
            *(x, self._shared("places", self._token_places), rotary.cos, rotary.sin),
            domain=MICROSOFT,
            num_heads=heads,
            rotary_embedding_dim=rotary.dims,
        )

    def norm(self, x: str, weight: Weight) -> str:
        """Root-mean-square normalisation over the last axis."""
        scale = self.vector(weight)
        return self.writer.node("SimplifiedLayerNormalization", x, scale, axis=-1, epsilon=self.shape.epsilon)

    def layer_norm(self, x: str, weight: Weight, bias: Weight) -> str:
        """Layer normalisation over the last axis."""
        scale, shift = self.vector(weight), self.vector(bias)
        return self.writer.node("LayerNormalization", x, scale, shift, axis=-1, epsilon=self.shape.epsilon)

    def linear(self, x: str, weight: Weight, bias: Weight | None = None) -> str:
        """x W^T + b for W as models store it, [out, in]."""
        blocks = weight.blocks if self.writer.keeps_blocks else None
        if blocks is None:
            product = self.writer.node("MatMul", x, self._factor(weight))
        else:
            product = self._product(x, weight, blocks)
        return product if bias is None else self.writer.node("Add", product, self.vector(bias))

    def _product(self, x: str, weight: Weight, blocks: Blocks) -> str:
        """x W^T for W in blocks, x not rounded to integers.

        ONNX Runtime has an operator for scale * (code - 8), with a kernel that unpacks as it multiplies. Zero points
        that are no integers, which offsets would be, it multiplies 20 times slower at one token: each call unpacks the
        whole matrix. An offset meets the sum of its block of x instead.
        """
        w, (rows, columns) = self.writer, blocks.codes.shape
        codes, scales, offsets = w.blocks(weight.name, blocks, weight.origin)
        sizes = {"K": columns, "N": rows, "bits": 4, "block_size": BLOCK}
        product = w.node("MatMulNBits", x, codes, scales, domain=MICROSOFT, accuracy_level=FLOAT32, **sizes)
        if offsets is None:
            return product

        def sums() -> str:
            split = w.node("Reshape", x, w.integers(0, 0, columns // BLOCK, BLOCK))
            return w.node("ReduceSum", split, w.integers(3), keepdims=0)

        return w.node("Add", product, w.node("MatMul", self._shared(f"sums {x}", sums), offsets))

    def _factor(self, weight: Weight) -> str:
        """W^T in float32."""
        w, matrix = self.writer, self._stored(weight, transposed=True)
        if w.device == "cpu" or not w.is_narrow:
            return w.widened(matrix)
        # ONNX Runtime would widen a constant once, when it loads the model, and keep it: on a processor that is what
        # is wanted, on a GPU it is twice the memory. A view whose shape it learns at run time only is no constant.
        zero = self._shared("zero rows", lambda: w.node("Mul", w.node("Shape", self._ids, end=1), w.integers(0)))
        columns, rows = weight.array.shape
        shape = w.node("Concat", w.node("Add", zero, w.integers(rows)), w.integers(columns), axis=0)
        return w.widened(w.node("Reshape", matrix, shape))

    def gated(self, x: str, layer: Callable[[str], Weight], activation: Callable[[str], str]) -> str:
        """The feed-forward part: activation(x G^T) * (x U^T), times D^T."""
        gate, up = activation(self.linear(x, layer("ffn_gate"))), self.linear(x, layer("ffn_up"))
        return self.linear(self.writer.node("Mul", gate, up), layer("ffn_down"))

    def silu(self, x: str) -> str:
        return self.writer.node("Mul", x, self.writer.node("Sigmoid", x))

    def norm_heads(self, x: str, heads: int, weight: Weight) -> str:
        """Root-mean-square normalisation of each head of x [B,T,heads * head_dim]."""
        w, size = self.writer, self.shape.head_dim
        split = w.node("Reshape", x, w.integers(0, 0, heads, size))
        return w.node("Reshape", self.norm(split, weight), w.integers(0, 0, heads * size))

    def attention(
        self, x: str, q: str, k: str, v: str, rotary: Rotary, window: int = -1, scale: float | None = None
    ) -> tuple[str, str]:
        """Causal attention of the next layer over past and present, rotary embedding included: `x`, and what it attends to.

        Behind the last layer's attention no place sees another: there both are returned at the wanted positions only,
        and the rest of that layer costs next to nothing. `window` is how many tokens a token sees, itself included
        (-1: all); `scale` goes before the softmax, where it is not one over the root of the head's size.
        """
        w, s, layer = self.writer, self.shape, len(self._caches)
        past = [
            w.input(f"past_key_values.{layer}.{kind}", TensorProto.FLOAT, ["B", s.kv_heads, "P", s.head_dim])
            for kind in ("key", "value")
        ]
        attend = self._standard_attention if w.device == "cuda" else self._grouped_attention
        out, *cache = attend(q, k, v, past, rotary, window, s.head_dim**-0.5 if scale is None else scale)
        self._caches[layer] = tuple(cache)
        return (x, out) if layer < s.layers - 1 else (self.wanted(x), self.wanted(out))

    def wanted(self, x: str) -> str:
        """x [B,T,width] at the wanted positions, [B,Q,width]."""
        w = self.writer
        places = self._shared("wanted", lambda: w.node("Unsqueeze", self._positions, w.integers(2)))
        return w.node("GatherND", x, places, batch_dims=1)

    def _grouped_attention(
        self, q: str, k: str, v: str, past: list[str], rotary: Rotary, window: int, scale: float
    ) -> list[str]:
        """By ONNX Runtime's own operator, in float32 the fastest on a CPU and not there for CUDA."""
        s = self.shape
        fused = s.head_dim % HEAD_MULTIPLE == 0 and rotary.dims % ROTARY_MULTIPLE == 0
        if not fused:
            q, k = self._rotated(q, s.heads, rotary), self._rotated(k, s.kv_heads, rotary)
        return self.writer.nodes(
            "GroupQueryAttention",
            3,
            *(q, k, v, *past, self._last, self._total, *((rotary.cos, rotary.sin) if fused else ())),
            domain=MICROSOFT,
            num_heads=s.heads,
            kv_num_heads=s.kv_heads,
            do_rotary=int(fused),
            local_window_size=window,
            scale=scale,
        )

    def _standard_attention(
        self, q: str, k: str, v: str, past: list[str], rotary: Rotary, window: int, scale: float
    ) -> list[str]:
        """By ONNX's operator, which ONNX Runtime has in float32 for CUDA, too; cache and mask are made around it."""
        w, s = self.writer, self.shape
        w.require(ATTENTION_OPSET)
        q, k = self._rotated(q, s.heads, rotary), self._rotated(k, s.kv_heads, rotary)
        key, value = (self._extended(*pair) for pair in zip(past, (k, v)))
        query = self._by_head(q, s.heads)
        out = w.node("Attention", query, key, value, self._seen(window), scale=scale)
        out = w.node("Transpose", out, perm=[0, 2, 1, 3])
        return [w.node("Reshape", out, w.integers(0, 0, s.heads * s.head_dim)), key, value]

    def _by_head(self, x: str, heads: int) -> str:
        """[B,T,heads * head_dim] as [B,heads,T,head_dim]."""
        split = self.writer.node("Reshape", x, self.writer.integers(0, 0, heads, self.shape.head_dim))
        return self.writer.node("Transpose", split, perm=[0, 2, 1, 3])

    def _extended(self, past: str, x: str) -> str:
        """The cache with this call's keys or values x, each row's new token right behind its last one."""
        w = self.writer
        new = self._by_head(x, self.shape.kv_heads)
        newest = w.node("Slice", new, w.integers(-1), w.integers(END), w.integers(2))
        return w.node("Where", self._shared("newest", self._newest_slot), newest, w.node("Concat", past, new, axis=2))

    def _newest_slot(self) -> str:
        """Which slots [B,1,S,1] receive the last of this call's tokens: in a row that has read less, not the last."""
        w = self.writer
        slots = self._shared("slots", self._slots)
        last = w.node("Cast", self._last, to=TensorProto.INT64)
        # In a first call, tokens lie in their slots already, and what follows them in a shorter row is padding.
        total = w.node("Shape", self._mask, start=1, end=2)
        is_first = w.node("Equal", total, w.node("Shape", self._ids, start=1, end=2))
        target = w.node("Where", is_first, w.node("Sub", total, w.integers(1)), last)
        target = w.node("Unsqueeze", target, w.integers(1))
        return w.node("Unsqueeze", w.node("Equal", slots, target), w.integers(1, 3))

    def _slots(self) -> str:
        """The cache's slots 0 .. S - 1."""
        w = self.writer
        total = w.node("Squeeze", w.node("Shape", self._mask, start=1, end=2), w.integers(0))
        return w.node("Range", self._integer(0), total, self._integer(1))

    def _seen(self, window: int) -> str:
        """Which slots each of this call's tokens sees, [B,1,T,S]: those up to its own, `window` of them."""

        def build() -> str:
            w = self.writer
            places = w.node("Unsqueeze", self._shared("places", self._token_places), w.integers(2))
            distance = w.node("Sub", places, self._shared("slots", self._slots))
            seen = w.node("GreaterOrEqual", distance, self._integer(0))
            if window > 0:
                seen = w.node("And", seen, w.node("Less", distance, self._integer(window)))
            return w.node("Unsqueeze", seen, w.integers(1))

        return self._shared(f"seen {window}", build)

    def finish(self, x: str, norm: Callable[[str], str], head: Weight | None) -> None:
        """Logits of `norm`(x), x at the wanted positions, over the wanted rows of `head` (None: the embedding, tied)."""
        w, s = self.writer, self.shape
        matrix = self._embedding if head is None else self._stored(head)
        x = w.node("Reshape", norm(x), w.integers(-1, s.width))
        wanted = w.node("Shape", self._rows)
        everything = w.node("Squeeze", w.node("Equal", wanted, w.integers(0)), w.integers(0))

        def all_rows() -> str:
            # ONNX Runtime would repack a constant operand into a second copy (671 MB for Gemma 3). A view whose
            # shape it learns at run time only - here rows + V, V being 0 - is used as it lies.
            rows = w.node("Add", wanted, w.integers(s.vocabulary))
            view = w.node("Reshape", matrix, w.node("Concat", rows, w.integers(s.width), axis=0))
            return w.node("Gemm", x, w.widened(view), transB=1)

        def some_rows() -> str:
            return w.node("Gemm", x, w.widened(w.node("Gather", matrix, self._rows, axis=0)), transB=1)

        flat = w.node(
            "If",
            everything,
            then_branch=w.branch("all_rows", all_rows),
            else_branch=w.branch("some_rows", some_rows),
        )
        size = w.node("Concat", w.node("Shape", self._positions), w.node("Shape", flat, start=1, end=2), axis=0)
        w.output(w.node("Reshape", flat, size, allowzero=1), "logits", ["B", "Q", "rows"])
        for layer, pair in self._caches.items():
            for kind, value in zip(("key", "value"), pair):
                w.output(value, f"present.{layer}.{kind}", ["B", s.kv_heads, "S", s.head_dim])
