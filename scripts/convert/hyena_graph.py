"""The reading graph of HyenaDNA: the interface of decoder.py. Each layer's cache holds these values for each token:

    past_key_values.N.key     E [B,1,P,H]     the gated inputs of layer N's long filter
    past_key_values.N.value   E [B,1,P,3H]    its projections, before its short filter
H is the width. An implicit filter has no finite state: y[t] = sum_s h[t-s] u[s] needs every u. Passing a smaller
seqlens_k truncates the cache, so a nested prompt takes as few calls as with a transformer. The graph never uses what
the cache holds after the tokens read. Every call may have several rows, with different numbers of tokens read.

The long filter is a product of two matrices per channel. With C tokens per block and n blocks per call (n C >= T),

    y[i C + a] = sum_r u'[(n-1-i) C + r] h[r + a - (C-1)]        u'[r]: r tokens before the call's last, padded

One matrix has n copies of u', each shifted by one more block. The other has C copies of h, each shifted by one more
token. Together they hold d P (n + C) numbers; a Toeplitz matrix would hold d P T. To shift h without looking up
indices, the vector is repeated, and the result is cut into rows that are longer than the vector by one. For a call of
one token, C is 1 and the product is a sum.

For CUDA, the products with checkpoint matrices are bfloat16, and so are the caches: projections are such products, and
gated inputs are rounded where the reference implementation rounds them. The residual is float32, as in the reference,
and so are norms, filters and gates.

Sources: Nguyen et al., "HyenaDNA" (arXiv 2306.15794); Poli et al., "Hyena Hierarchy" (arXiv 2302.10866), section 3.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from onnx import TensorProto

from decoder import SCATTER_OPSET, Decoder
from onnx_writer import MICROSOFT, OnnxWriter
from shape import Shape
from weights import Weight

# Taps of the filter over the projections.
SHORT_TAPS = 3
# The most tokens per block, for each device. For the CPU's calls of 256 tokens, 16 makes both matrices equally large.
BLOCK = {"cpu": 16, "cuda": 32}
END = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Sizes:
    """Values of one call that all layers share; all but the last three are on the host."""

    # The start of the call's tokens, counted from the end: -T.
    tokens: str
    # The slice of the stored h; the shape that repeats it, [1,C+1,1]; how many of the repeated numbers are used.
    lags: tuple[str, str]
    copies: str
    numbers: str
    # The shapes [H,-1,blocks,C], [H,-1,columns] and [H,B,-1].
    blocks: str
    columns: str
    channels: str
    # For each block of the call, the blocks of u' in its sum, [n,blocks of a row].
    order: str
    # Indices of the cached tokens as (0, position), latest first, [B,M,2]; whether each exists, [B,M,1].
    window: str
    there: str


class HyenaGraph(Decoder):
    """Builds the graph; every method adds nodes and returns a value's name."""

    def __init__(self, writer: OnnxWriter, shape: Shape, embedding: Weight):
        super().__init__(writer, shape, embedding)
        writer.require(SCATTER_OPSET)
        self._block = BLOCK[writer.device]
        self._kept: list[tuple[str, str, int]] = []

    def _narrowed(self, x: str) -> str:
        """A float32 value, cast to the type of the computation."""
        w = self.writer
        return x if w.element == TensorProto.FLOAT else w.node("Cast", x, to=w.element)

    def embed(self) -> str:
        return self.writer.exact(super().embed())

    def residual(self, x: str, y: str | None, weight: Weight, bias: Weight | None = None) -> tuple[str, str]:
        """As in Decoder, but the residual stays float32. The norm is cast, because it goes into a matrix product."""
        w = self.writer
        scales = [w.constant(part.name, part.array.astype(np.float32)) for part in (weight, bias)]
        options = {"epsilon": self.shape.epsilon}
        if y is None:
            return x, self._narrowed(w.node("LayerNormalization", x, *scales, axis=-1, **options))
        options |= {"domain": MICROSOFT, "unused": (1, 2)}
        n, _, _, total = w.nodes("SkipLayerNormalization", 4, x, w.exact(y), *scales, **options)
        return total, self._narrowed(n)

    def hyena(self, layer: int, z: str, taps: np.ndarray, bias: np.ndarray, long: np.ndarray) -> str:
        """x0 * long(v * x1) [B,T,H]; x0, x1 and v: z [B,T,3H] after the short filter [3H,3] with its bias, split.

        `long` [H,positions] is the long filter, with the direct path in its first lag.
        """
        w, width = self.writer, self.shape.width
        cache = self._cached(layer, "value", z, 3 * width)
        before, there = self._shared("before", self._before)
        z = w.node("Concat", w.node("Mul", w.node("GatherND", cache, before, batch_dims=1), there), z, axis=1)
        taps = w.constant(f"layers.{layer}.short", taps.astype(np.float32)[:, None])
        bias = w.constant(f"layers.{layer}.short.bias", bias.astype(np.float32))
        z, _ = w.nodes("CausalConvWithState", 2, w.exact(z), taps, bias, channels_last=1, domain=MICROSOFT)
        z = w.node("Slice", z, w.integers(SHORT_TAPS - 1), w.integers(END), w.integers(1))
        x0, x1, v = w.nodes("Split", 3, z, w.integers(width, width, width), axis=2)
        u = self._cached(layer, "key", self._narrowed(w.node("Mul", v, x1)), width)
        return self._narrowed(w.node("Mul", x0, self._long(layer, u, long)))

    def _long(self, layer: int, u: str, long: np.ndarray) -> str:
        """y[t] = sum_s h[t-s] u[s] at the call's tokens, [B,T,H]; `u` is the cache."""
        w, s = self.writer, self._sizes
        u = w.node("Mul", w.exact(w.node("GatherND", u, s.window, batch_dims=1)), s.there)
        u = w.node("Reshape", w.node("Transpose", u, perm=[2, 0, 1]), s.blocks)
        u = w.node("Reshape", w.node("Gather", u, s.order, axis=2), s.columns)
        # The filter is zero at negative lags. Lags beyond the tokens read are multiplied by zeros.
        padded = np.pad(long, ((0, 0), (self._block - 1, self._block)))
        h = w.constant(f"layers.{layer}.long", padded.astype(np.float32))
        h = w.node("Slice", h, *s.lags, w.integers(1))
        h = w.node("Expand", w.node("Unsqueeze", h, w.integers(1)), s.copies)
        h = w.node("Slice", w.node("Reshape", h, w.integers(0, -1)), w.integers(0), s.numbers, w.integers(1))
        y = w.node("FusedMatMul", u, w.node("Reshape", h, s.columns), domain=MICROSOFT, transB=1)
        y = w.node("Slice", w.node("Reshape", y, s.channels), s.tokens, w.integers(END), w.integers(2))
        return w.node("Transpose", y, perm=[1, 2, 0])

    @cached_property
    def _sizes(self) -> Sizes:
        w, one, width = self.writer, self.writer.integers(1), self.writer.integers(self.shape.width)
        rest = w.integers(-1)
        batch, tokens = (w.node("Shape", self._ids, start=axis, end=axis + 1) for axis in (0, 1))
        block = w.node("Min", tokens, w.integers(self._block))
        more = w.node("Div", w.node("Sub", tokens, one), block)
        # The shape of a slice with this length is the total. No other way to get the total avoids a copy of it.
        places = w.constant("places", np.zeros(self.shape.positions, np.int8))
        first, axis = (w.constant(name, np.zeros(1, np.int32)) for name in ("first place", "axis of places"))
        read = w.node("Shape", w.node("Slice", places, first, self._total, axis))
        # One block more than the tokens read fill, because rows of h are longer than the repeated vector by one.
        count = w.node("Add", w.node("Div", w.node("Sub", read, one), block), w.integers(2))
        columns = w.node("Mul", count, block)
        begin = w.node("Sub", w.integers(self._block), block)
        end = w.node("Add", begin, w.node("Sub", columns, one))
        all = w.node("Add", count, more)
        scalar = lambda vector: w.node("Squeeze", vector, w.integers(0))
        span = lambda *limits: w.node("Range", *limits)
        back = w.node("Unsqueeze", span(scalar(more), self._integer(-1), self._integer(-1)), one)
        order = w.node("Add", back, span(self._integer(0), scalar(count), self._integer(1)))
        ages = span(self._integer(0), scalar(w.node("Mul", all, block)), self._integer(1))
        last = w.node("Unsqueeze", w.node("Cast", self._last, to=TensorProto.INT64), one)
        window, there = self._looked_up(w.node("Sub", last, ages), TensorProto.FLOAT)
        return Sizes(
            tokens=w.node("Neg", tokens),
            lags=(begin, end),
            copies=w.node("Concat", one, w.node("Add", block, one), one, axis=0),
            numbers=w.node("Mul", columns, block),
            blocks=w.node("Concat", width, rest, all, block, axis=0),
            columns=w.node("Concat", width, rest, columns, axis=0),
            channels=w.node("Concat", width, batch, rest, axis=0),
            order=order,
            window=window,
            there=there,
        )

    def _before(self) -> tuple[str, str]:
        """The two tokens before this call's first token of each row, as `_looked_up` returns them."""
        w = self.writer
        first = w.node("Unsqueeze", self._shared("first places", self._first_places), w.integers(1))
        return self._looked_up(w.node("Add", first, w.integers(-2, -1)), w.element)

    def _looked_up(self, places: str, element: int) -> tuple[str, str]:
        """GatherND indices of positions [B,M] in a cache (0 if negative), and whether each position exists (1, 0)."""
        w = self.writer
        there = w.node("Cast", w.node("GreaterOrEqual", places, self._integer(0)), to=element)
        index = w.node("Unsqueeze", w.node("Max", places, self._integer(0)), w.integers(2))
        return w.node("Mul", index, w.integers(0, 1)), w.node("Unsqueeze", there, w.integers(2))

    def _cached(self, layer: int, kind: str, x: str, size: int) -> str:
        """The cache [B,1,P,size] with x [B,T,size] written after the tokens that it holds."""
        w = self.writer
        past = w.input(f"past_key_values.{layer}.{kind}", w.element, ["B", 1, "P", size])
        first = self._shared("first places", self._first_places)
        present = w.node("TensorScatter", past, w.node("Unsqueeze", x, w.integers(1)), first)
        self._kept.append((present, f"present.{layer}.{kind}", size))
        return present

    def finish(self, n: str, head: Weight | None) -> None:
        super().finish(n, head)
        for value, name, size in self._kept:
            self.writer.output(value, name, self.writer.element, ["B", 1, "P", size])
