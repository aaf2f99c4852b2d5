"""The reading graph: the inputs, outputs and operators that all converted decoders share.

Inputs
    input_ids              int64 [B,T]    this call's tokens, T >= 1, no padding
    seqlens_k              int32 [B]      for each row: the number of tokens read, including this call's, minus one
    total_sequence_length  int32 [1]      the largest number of tokens in a row, including this call's; on the host
    positions              int64 [B,Q]    wanted positions, as indices into this call's T tokens
    choices                int64 [B,Q,C]  token ids whose logits are wanted at these positions
    past_key_values.N.key, .value   E [B,KV,P,DH]   the key-value cache, with room for P >= total_sequence_length tokens
Outputs
    best     int64   [B,Q]      the token with the largest logit, the lowest id among equals
    top      float32 [B,Q,2]    the largest logit and the second largest; they are equal if there is a tie
    log_sum  float32 [B,Q]      ln of the sum of exp(logit - top[..., 0]) over all logits; NaN if any logit is NaN
    chosen   float32 [B,Q,C]    the logits of `choices`
    present.N.key, .value           E [B,KV,P,DH]   the caller binds these to the memory of past_key_values

E is the type of the computation: bfloat16 for CUDA, float32 for CPUs and with --weights float32. The graph writes to
the cache in place and copies no earlier tokens. It ignores what the cache holds after the tokens read, so a smaller
seqlens_k truncates the cache. (In float32 for CUDA, the ignored part must be finite: its attention weight is 0, but it
is still multiplied.) When T = 1, rows may have different numbers of tokens. When T > 1 and there is a past, only one
row is allowed: this is a limit of ONNX Runtime's GroupQueryAttention.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from blocks import BLOCK, Blocks
from onnx_writer import MICROSOFT, OnnxWriter
from shape import Shape
from weights import Weight, joined

# GroupQueryAttention rotates only if head size and rotated dimensions are multiples of these; else we rotate before it.
HEAD_MULTIPLE = 16
ROTARY_MULTIPLE = 16
# The first opset with an operator that writes into a cache (TensorScatter).
SCATTER_OPSET = 24
# Name endings: of a matrix, and of its bias.
ENDS = ("", ".bias")
# The `accuracy_level` with which MatMulNBits computes in float32.
FLOAT32 = 1


@dataclass(frozen=True)
class Rotary:
    """Tables of cosines and sines, [positions, dims / 2], for the first `dims` dimensions of a head."""

    cos: str
    sin: str
    dims: int


class Decoder:
    """Builds the reading graph; an architecture adds its layers between `embed` and `finish`."""

    def __init__(self, writer: OnnxWriter, shape: Shape, embedding: Weight, wide_norms: bool = False):
        """`wide_norms`: the weights of root-mean-square norms are float32 even if the graph computes in bfloat16."""
        self.writer = w = writer
        self.shape = shape
        self._wide_norms = wide_norms and w.element != TensorProto.FLOAT
        self._ids = w.input("input_ids", TensorProto.INT64, ["B", "T"])
        self._last = w.input("seqlens_k", TensorProto.INT32, ["B"])
        self._total = w.input("total_sequence_length", TensorProto.INT32, [1])
        self._positions = w.input("positions", TensorProto.INT64, ["B", "Q"])
        self._choices = w.input("choices", TensorProto.INT64, ["B", "Q", "C"])
        # A tensor whose shape is that of the positions now computed: `input_ids`, later `positions`.
        self._places = self._ids
        self._embedding = self._stored(embedding)
        # Keys and values by layer.
        self._caches: dict[int, list[str]] = {}
        self._built: dict[str, str] = {}

    def _stored(self, weight: Weight) -> str:
        parts = weight.parts or (weight,)
        return self.writer.matrix(weight.name, ((part.read(), part.origin) for part in parts))

    def vector(self, weight: Weight) -> str:
        """A norm or a bias, in the type of the computation (matrices may be stored in another type)."""
        return self.writer.constant(weight.name, weight.array.astype(self.writer.computed))

    def number(self, name: str, value: float) -> str:
        """A scalar constant."""
        return self.writer.constant(name, np.array(value, self.writer.computed))

    def embed(self, positions: Weight | None = None) -> str:
        """The embedding of each token, plus that of its position if `positions` is given."""
        w = self.writer
        x = w.widened(w.node("Gather", self._embedding, self._ids, axis=0))
        if positions is None:
            return x
        places = self._shared("places", self._token_places)
        return w.node("Add", x, w.widened(w.node("Gather", self._stored(positions), places, axis=0)))

    def rotary(self, name: str, rates: np.ndarray, magnitude: float = 1.0) -> Rotary:
        """Tables that rotate the first 2 len(rates) dimensions of each head by the angle position * rate."""
        angles = np.outer(np.arange(self.shape.positions, dtype=np.float32), rates)
        cos, sin = (
            self.writer.constant(f"{name}.{part}", (of(angles) * np.float32(magnitude)).astype(self.writer.computed))
            for part, of in (("cos", np.cos), ("sin", np.sin))
        )
        return Rotary(cos, sin, 2 * len(rates))

    def _integer(self, value: int) -> str:
        """A scalar int64 constant."""
        return self._shared(f"n{value}", lambda: self.writer.constant(f"n{value}", np.array(value, np.int64)))

    def _shared(self, name: str, build: Callable[[], str]) -> str:
        """A value that several layers use, built once."""
        if name not in self._built:
            self._built[name] = build()
        return self._built[name]

    def norm(self, x: str, weight: Weight, bias: Weight | None = None) -> str:
        """Normalisation over the last axis: layer normalisation if there is a bias, root-mean-square otherwise."""
        w, options = self.writer, {"epsilon": self.shape.epsilon}
        if bias is not None:
            return w.node("LayerNormalization", x, self.vector(weight), self.vector(bias), axis=-1, **options)
        if self._wide_norms:
            scale = w.constant(weight.name, weight.array.astype(np.float32))
            return w.node("BranchwiseRMSNorm", x, scale, num_branches=1, domain=MICROSOFT, **options)
        return w.node("SimplifiedLayerNormalization", x, self.vector(weight), axis=-1, **options)

    def residual(self, x: str, y: str | None, weight: Weight, bias: Weight | None = None) -> tuple[str, str]:
        """x + y and its `norm`. If y is None (before the first layer): x and its `norm`."""
        if y is None:
            return x, self.norm(x, weight, bias)
        if self._wide_norms:
            total = self.writer.node("Add", x, y)
            return total, self.norm(total, weight)
        op = "SkipSimplifiedLayerNormalization" if bias is None else "SkipLayerNormalization"
        scales = [self.vector(part) for part in (weight, bias) if part is not None]
        options = {"epsilon": self.shape.epsilon, "domain": MICROSOFT}
        n, _, _, total = self.writer.nodes(op, 4, x, y, *scales, unused=(1, 2), **options)
        return total, n

    def linear(self, x: str, weight: Weight, bias: Weight | None = None) -> str:
        """x W^T + b, where W has the layout that models store, [out, in]."""
        blocks = weight.blocks if self.writer.keeps_blocks else None
        if blocks is not None:
            product = self._blocks_product(x, weight, blocks)
            return product if bias is None else self.writer.node("Add", product, self.vector(bias))
        matrix = self.writer.widened(self._stored(weight))
        return self._product(x, matrix) if bias is None else self._sum(x, matrix, self.vector(bias))

    def _product(self, x: str, matrix: str) -> str:
        return self.writer.node("FusedMatMul", x, matrix, domain=MICROSOFT, transB=1)

    def _sum(self, x: str, matrix: str, bias: str) -> str:
        """x W^T + b, rounded once. The operator for this, Gemm, takes only two dimensions, so x is flattened."""
        w = self.writer
        shape = lambda: w.node("Concat", w.node("Shape", self._places), w.integers(-1), axis=0)
        flat = w.node("Flatten", x, axis=2)
        y = w.node("Gemm", flat, matrix, bias, transB=1)
        return w.node("Reshape", y, self._shared(f"shape of {self._places}", shape))

    def _blocks_product(self, x: str, weight: Weight, blocks: Blocks) -> str:
        """x W^T for W in blocks; x is not rounded to integers.

        ONNX Runtime has an operator for scale * (code - 8), whose kernel unpacks while it multiplies. Offsets could be
        its zero points, but non-integer zero points are 20 times slower at one token: each call would unpack the whole
        matrix. Instead, each offset is multiplied by the sum of x over its block.
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

    def gated(self, x: str, layer: Callable[[str], Weight], activation: Callable[[str], str]) -> str:
        """The gated feed-forward part: (activation(x G^T) * (x U^T)) D^T."""
        gate, up = activation(self.linear(x, layer("ffn_gate"))), self.linear(x, layer("ffn_up"))
        return self.linear(self.writer.node("Mul", gate, up), layer("ffn_down"))

    def silu(self, x: str) -> str:
        if self.writer.element != TensorProto.FLOAT:
            # CUDA's Sigmoid kernel also rounds intermediate values: the exponential and the denominator.
            return self.writer.node("ScaledSiLU", x, domain=MICROSOFT)
        return self.writer.node("Mul", x, self.writer.node("Sigmoid", x))

    def attention(self, x: str, n: str, *how, **options) -> tuple[str, str]:
        """`x`, and the attention output of the next layer for its norm `n`; `how` and `options` go to `heads`.

        After the last layer's attention, no position depends on another. So for the last layer, both are returned at
        the wanted positions only, and the rest of that layer costs next to nothing.
        """
        layer = len(self._caches)
        out = self.heads(layer, n, *how, **options)
        return (x, out) if layer < self.shape.layers - 1 else (self.wanted(x), self.wanted(out))

    def heads(
        self,
        layer: int,
        n: str,
        qkv: Sequence[tuple[Weight, ...]],
        rotary: Rotary | None,
        norms: Sequence[Weight] = (),
        window: int = -1,
        scale: float | None = None,
    ) -> str:
        """Causal attention over past and present tokens, with rotary embedding if `rotary` is given; updates the cache.

        `qkv` holds the matrices, each with its bias if it has one. `norms` holds the norms of Q and of K, for each head
        or for all heads at once. `window` is the number of tokens that a token sees, including itself (-1: all).
        `scale` multiplies the scores before the softmax (None: 1 / sqrt(head_dim)).
        """
        w, s = self.writer, self.shape
        scale = s.head_dim**-0.5 if scale is None else scale
        cache = [
            w.input(f"past_key_values.{layer}.{kind}", w.element, ["B", s.kv_heads, "P", s.head_dim])
            for kind in ("key", "value")
        ]
        # ONNX Runtime's GroupQueryAttention has no float32 kernel for CUDA. Its CUDA kernels take Q, K and V joined.
        is_grouped = w.device == "cpu" or w.element != TensorProto.FLOAT
        rotates = rotary is None or s.head_dim % HEAD_MULTIPLE == rotary.dims % ROTARY_MULTIPLE == 0
        rotates = is_grouped and rotates
        by_head = all(norm.array.size == s.head_dim for norm in norms)
        if rotates and by_head and w.device == "cuda":
            matrix, *bias = (joined(f"layers.{layer}.attn_qkv{end}", part) for end, part in zip(ENDS, zip(*qkv)))
            q, k, v = self.linear(n, matrix, *bias), "", ""
        else:
            q, k, v = (self.linear(n, *part) for part in qkv)
            if norms:
                normed = self._norm_heads if by_head else self.norm
                q, k = (normed(x, norm) for x, norm in zip((q, k), norms))
                norms = ()
        if not rotates and rotary is not None:
            q, k = self._rotated(q, s.heads, rotary), self._rotated(k, s.kv_heads, rotary)
        attend = self._grouped if is_grouped else self._scattered
        out, *self._caches[layer] = attend((q, k, v), cache, rotary if rotates else None, norms, window, scale)
        return out

    def _grouped(
        self, qkv: tuple, past: list, rotary: Rotary | None, norms: Sequence[Weight], window: int, scale: float
    ) -> list[str]:
        """Attention by ONNX Runtime's GroupQueryAttention, which can also rotate and normalise the heads."""
        s = self.shape
        tables = () if rotary is None else (rotary.cos, rotary.sin)
        norms = [*[""] * 5, *(self.vector(norm) for norm in norms)] if norms else []
        return self.writer.nodes(
            "GroupQueryAttention",
            3,
            *(*qkv, *past, self._last, self._total, *tables, *norms),
            domain=MICROSOFT,
            num_heads=s.heads,
            kv_num_heads=s.kv_heads,
            do_rotary=int(rotary is not None),
            local_window_size=window,
            scale=scale,
            **({"qk_norm_epsilon": s.epsilon} if norms else {}),
        )

    def wanted(self, x: str) -> str:
        """x [B,T,width] at the wanted positions, [B,Q,width]; later nodes are computed there only."""
        w, self._places = self.writer, self._positions
        places = self._shared("wanted", lambda: w.node("Unsqueeze", self._positions, w.integers(2)))
        return w.node("GatherND", x, places, batch_dims=1)

    def _norm_heads(self, x: str, weight: Weight) -> str:
        """Root-mean-square normalisation of each head of x [B,T,heads * head_dim]."""
        w = self.writer
        split = w.node("Reshape", x, w.integers(0, 0, -1, self.shape.head_dim))
        return w.node("Reshape", self.norm(split, weight), w.integers(0, 0, -1))

    def _rotated(self, x: str, heads: int, rotary: Rotary) -> str:
        """x [B,T,heads * head_dim] with its heads rotated."""
        return self.writer.node(
            "RotaryEmbedding",
            *(x, self._shared("places", self._token_places), rotary.cos, rotary.sin),
            domain=MICROSOFT,
            num_heads=heads,
            rotary_embedding_dim=rotary.dims,
        )

    def _first_places(self) -> str:
        """The position of each row's first token of this call, [B]."""
        w = self.writer
        last = w.node("Cast", self._last, to=TensorProto.INT64)
        before = w.node("Sub", w.integers(1), w.node("Shape", self._ids, start=1, end=2))
        return w.node("Add", last, before)

    def _token_places(self) -> str:
        """The position of each of this call's tokens, [B,T]."""
        w = self.writer
        length = w.node("Squeeze", w.node("Shape", self._ids, start=1, end=2), w.integers(0))
        first = w.node("Unsqueeze", self._shared("first places", self._first_places), w.integers(1))
        return w.node("Add", first, w.node("Range", self._integer(0), length, self._integer(1)))

    def _scattered(self, qkv: tuple, past: list, _: None, __: tuple, window: int, scale: float) -> list[str]:
        """Attention by standard ONNX operators, which ONNX Runtime also has in float32 for CUDA."""
        w, s = self.writer, self.shape
        w.require(SCATTER_OPSET)
        first = self._shared("first places", self._first_places)
        cache = [
            w.node("TensorScatter", before, self._by_head(x, s.kv_heads), first) for before, x in zip(past, qkv[1:])
        ]
        out = w.node("Attention", self._by_head(qkv[0], s.heads), *cache, self._seen(past[0], window), scale=scale)
        out = w.node("Transpose", out, perm=[0, 2, 1, 3])
        return [w.node("Reshape", out, w.integers(0, 0, s.heads * s.head_dim)), *cache]

    def _by_head(self, x: str, heads: int) -> str:
        """x [B,T,heads * head_dim], rearranged to [B,heads,T,head_dim]."""
        split = self.writer.node("Reshape", x, self.writer.integers(0, 0, heads, self.shape.head_dim))
        return self.writer.node("Transpose", split, perm=[0, 2, 1, 3])

    def _seen(self, past: str, window: int) -> str:
        """The mask [B,1,T,P] of cache rows that each token of this call sees: the last `window` up to its own."""

        def build() -> str:
            w = self.writer
            rows = w.node("Squeeze", w.node("Shape", past, start=2, end=3), w.integers(0))
            rows = w.node("Range", self._integer(0), rows, self._integer(1))
            places = w.node("Unsqueeze", self._shared("places", self._token_places), w.integers(1, 3))
            distance = w.node("Sub", places, rows)
            seen = w.node("GreaterOrEqual", distance, self._integer(0))
            return seen if window < 0 else w.node("And", seen, w.node("Less", distance, self._integer(window)))

        return self._shared(f"seen {window}", build)

    def finish(self, n: str, head: Weight | None, bias: Weight | None = None) -> None:
        """Adds the outputs. The logits are `n`, given at the wanted positions, times `head`, plus `bias`.

        `head` is None if the embedding is tied. No operator needs cuDNN. Of equal logits, `best` takes the lowest id.
        """
        w, s = self.writer, self.shape
        matrix = self._embedding if head is None else self._stored(head)
        if w.device == "cpu":
            # ONNX Runtime would repack a constant operand into a second copy (671 MB for Gemma 3). It uses a view
            # in place if it only learns the shape at run time. Zeros in that shape mean "keep this size".
            same = w.node("Mul", w.node("Shape", self._ids), w.integers(0))
            matrix = w.node("Reshape", matrix, same)
        matrix = w.widened(matrix)
        logits = w.exact(self._product(n, matrix) if bias is None else self._sum(n, matrix, self.vector(bias)))
        top, _ = w.nodes("TopK", 2, logits, w.integers(2))
        most = w.node("Gather", top, w.integers(0), axis=2)
        # On a CPU, the operator Where is ten times slower than this product, which is exact in float32.
        left = w.constant("ids left", np.arange(s.vocabulary, 0, -1, np.float32))
        left = w.node("Mul", w.node("Cast", w.node("Equal", logits, most), to=TensorProto.FLOAT), left)
        left, _ = w.nodes("TopK", 2, left, w.integers(1))
        best = w.node("Sub", w.constant("vocabulary", np.array(s.vocabulary, np.float32)), left)
        sums = w.node("ReduceSum", w.node("Exp", w.node("Sub", logits, most)), w.integers(2))
        best, log_sum = (w.node("Squeeze", x, w.integers(2)) for x in (best, w.node("Log", sums)))
        best = w.node("Cast", best, to=TensorProto.INT64)
        chosen = w.node("GatherElements", logits, self._choices, axis=2)
        w.output(best, "best", TensorProto.INT64, ["B", "Q"])
        w.output(top, "top", TensorProto.FLOAT, ["B", "Q", 2])
        w.output(log_sum, "log_sum", TensorProto.FLOAT, ["B", "Q"])
        w.output(chosen, "chosen", TensorProto.FLOAT, ["B", "Q", "C"])
        for layer, pair in self._caches.items():
            for kind, value in zip(("key", "value"), pair):
                w.output(value, f"present.{layer}.{kind}", w.element, ["B", s.kv_heads, "P", s.head_dim])
