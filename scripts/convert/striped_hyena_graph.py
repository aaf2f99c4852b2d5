"""The subset graph of a StripedHyena 2 model: the contract of decoder.py, and the states of its convolutions beside it.

Further inputs and outputs, float32; N is the layer's index in the model, H the width, K a filter's taps:
    past_states.N.short [B,3H,2]      the last projections of layer N, before its short filter
    past_states.N.taps  [B,H,K-1]     the last inputs of its inner filter (SE and MR layers)
    past_states.N.modes [B,H,16]      the modes of its inner filter (LI layers)
    present_states.N.*                the same after each row's own last token
All are zero before the first token. Attention layers have past_key_values.N.* and present.N.*.

A first call and calls of one token may have rows of unequal lengths; a further chunk of several tokens needs rows that
have read equally much, and may be padded, too. Each row has at least one token in each call.

Sources: the reference implementation vortex (PyPI `vtx` 1.1.0, Apache-2.0), Ku et al., "Systems and algorithms for
convolutional multi-hybrid language models at scale" (arXiv 2503.01868). Long convolutions are computed without a
Fourier transform, whose operator ONNX Runtime has for the CPU only: in chunks, by matrix products.
"""

import math
from collections.abc import Callable

import numpy as np
from onnx import TensorProto

from decoder import Decoder, Rotary
from onnx_writer import MICROSOFT, OnnxWriter
from shape import Shape
from weights import Weight

# Taps of the filter over the projections.
SHORT_TAPS = 3
# Chunk of the modal convolution, in tokens: intra-chunk products grow with it, states and their scan shrink.
CHUNK = 64
# Chunks whose states are joined one after the other before groups of them are joined by doubling.
GROUP = 8
END = np.iinfo(np.int64).max


class StripedHyenaGraph(Decoder):
    """Builds the graph; every method adds nodes and returns a value's name."""

    def __init__(self, writer: OnnxWriter, shape: Shape, embedding: Weight):
        super().__init__(writer, shape, embedding)
        w = writer
        self._states: list[tuple[str, str, list]] = []
        self._root = w.constant("root", np.array(shape.width**-0.5, np.float32))
        self._epsilon = w.constant("epsilon", np.array(shape.epsilon, np.float32))
        self._places = w.constant("places", np.arange(1 - CHUNK, 1)[None, None])
        self._zero = w.constant("zero", np.zeros((1, 1, 1), np.float32))
        self._batch = w.node("Shape", self._ids, start=0, end=1)
        self._length = w.node("Shape", self._ids, start=1, end=2)
        new = w.node("Slice", self._mask, w.node("Neg", self._length), w.integers(END), w.integers(1))
        # Tokens of this call in each row [B,1]. Where the rows are unequal and T = 1, the mask's last column is padding
        # for some, but each row has a token.
        self._new = w.node("Max", w.node("ReduceSum", new, w.integers(1), keepdims=1), w.integers(1))
        # Tokens of the calls before [B,1].
        self._before = w.node("Sub", w.node("ReduceSum", self._mask, w.integers(1), keepdims=1), self._new)
        self._one_token = w.node("Squeeze", w.node("Equal", self._length, w.integers(1)), w.integers(0))
        self._prepare_attention()

    def norm(self, x: str, weight: Weight) -> str:
        """weight * x / (|x| / sqrt(H) + epsilon): epsilon is outside of the root."""
        w = self.writer
        size = w.node("Mul", w.node("ReduceL2", x, axes=[-1], keepdims=1), self._root)
        size = w.node("Add", size, self._epsilon)
        return w.node("Mul", w.node("Div", x, size), self.vector(weight))

    # --- attention ---

    def _prepare_attention(self) -> None:
        w = self.writer
        steps = w.node("Range", self._integer(0), self._scalar(self._length), self._integer(1))
        self._steps = w.node("Add", self._before, steps)
        total = w.node("Shape", self._mask, start=1, end=2)
        past = w.node("Sub", total, self._length)
        fewest = w.node("ReduceMin", self._before, keepdims=0)
        self._ragged = w.node("Less", fewest, self._scalar(past))
        columns = w.node("Range", self._integer(0), self._scalar(total), self._integer(1))
        # Column c of the compacted cache is column c of the past, or the next of this call's.
        is_past = w.node("Less", columns, self._before)
        behind = w.node("Sub", w.node("Add", columns, past), self._before)
        behind = w.node("Min", behind, w.node("Sub", total, w.integers(1)))
        self._compact = w.node("Unsqueeze", w.node("Where", is_past, columns, behind), w.integers(1, 3))
        seen = w.node("Or", is_past, w.node("GreaterOrEqual", columns, past))
        self._unpadded = w.node("Cast", seen, to=TensorProto.INT32)

    def _choice(self, name: str, condition: str, then: Callable, otherwise: Callable, outputs: int) -> list[str]:
        branches = {"then_branch": then, "else_branch": otherwise}
        graphs = {key: self.writer.branch(f"{name}.{key}", build) for key, build in branches.items()}
        return self.writer.nodes("If", outputs, condition, **graphs)

    def _scalar(self, vector: str) -> str:
        return self.writer.node("Squeeze", vector, self.writer.integers(0))

    def heads(self, layer: int, q: str, k: str, v: str, rotary: Rotary) -> str:
        """Causal attention over past and present, rotary embedding included."""
        w, s = self.writer, self.shape
        past = [
            w.input(f"past_key_values.{layer}.{kind}", TensorProto.FLOAT, ["B", s.heads, "P", s.head_dim])
            for kind in ("key", "value")
        ]
        turn = (self._steps, rotary.cos, rotary.sin)
        q, k = (w.node("RotaryEmbedding", x, *turn, domain=MICROSOFT, num_heads=s.heads) for x in (q, k))

        # ONNX Runtime has GroupQueryAttention in float32 for the CPU only, MultiHeadAttention for CUDA, too.
        def attend(mask: str = "") -> list[str]:
            return w.nodes(
                "MultiHeadAttention",
                3,
                *(q, k, v, "", mask, "", *past),
                domain=MICROSOFT,
                num_heads=s.heads,
                unidirectional=1,
                scale=s.head_dim**-0.5,
            )

        def compacted() -> list[str]:
            out, *caches = attend(self._unpadded)
            size = w.node("Shape", caches[0])
            index = w.node("Expand", self._compact, size)
            return [out, *(w.node("GatherElements", cache, index, axis=2) for cache in caches)]

        out, key, value = self._choice(f"attention.{layer}", self._ragged, compacted, attend, 3)
        self._caches[layer] = (key, value)
        return out

    # --- convolutions ---

    def short_filter(self, layer: int, z: str, weight: np.ndarray) -> str:
        """The causal filter over the projections [B,T,3H]; [B,3H,T]. `weight` [3H,1,3] is in correlation order."""
        channels = 3 * self.shape.width
        past = self._past(layer, "short", channels, SHORT_TAPS - 1)
        x = self.writer.node("Concat", past, self.writer.node("Transpose", z, perm=[0, 2, 1]), axis=2)
        self._present(layer, "short", channels, SHORT_TAPS - 1, self._tail(x, channels, SHORT_TAPS - 1))
        return self._depthwise(x, f"layers.{layer}.short", weight)

    def short_explicit(self, layer: int, u: str, taps: np.ndarray) -> str:
        """SE: y[t] = sum_j taps[g,j] u[t-K+1+j] for u [B,H,T], taps [G,K]; channel c is of group c // (H/G)."""
        x = self._with_taps(layer, u, taps.shape[1])
        weight = np.repeat(taps, self.shape.width // len(taps), axis=0)[:, None]
        return self._depthwise(x, f"layers.{layer}.taps", weight)

    def medium_regularised(self, layer: int, u: str, taps: np.ndarray, direct: np.ndarray) -> str:
        """MR: y[t] = sum_l taps[g,l] u[t-l] + direct u[t] for u [B,H,T], taps [G,K], direct [H]."""
        w, (groups, size), width = self.writer, taps.shape, self.shape.width
        name = f"layers.{layer}.taps"
        x = self._with_taps(layer, u, size)
        members = width // groups

        def one() -> str:
            weight = w.constant(f"{name}.reversed", taps[:, None, ::-1])
            products = w.node("Mul", w.node("Reshape", x, w.integers(-1, groups, members, size)), weight)
            y = w.node("ReduceSum", products, w.integers(3), keepdims=1)
            return w.node("Reshape", y, w.integers(-1, width, 1))

        def many() -> str:
            # Chunks of K tokens: an output depends on its own chunk and on the one before.
            matrix = self._toeplitz(name, taps, -size)
            chunks = w.node("Concat", self._zeros(1), x, self._pad(size), axis=2)
            chunks = w.node("Reshape", chunks, w.node("Concat", self._batch, w.integers(groups, -1, size), axis=0))
            parts = w.node("MatMul", chunks, matrix)
            size_of = w.node("Concat", self._batch, w.integers(width, -1, 2 * size), axis=0)
            parts = w.node("Reshape", parts, size_of)
            before = w.node("Slice", parts, w.integers(0, 0), w.integers(-1, size), w.integers(2, 3))
            own = w.node("Slice", parts, w.integers(1, size), w.integers(END, END), w.integers(2, 3))
            return self._unchunked(w.node("Add", before, own))

        (y,) = self._choice(f"medium.{layer}", self._one_token, one, many, 1)
        direct = w.constant(f"layers.{layer}.direct", direct[:, None])
        return w.node("Add", y, w.node("Mul", u, direct))

    def long_implicit(
        self, layer: int, u: str, log_poles: np.ndarray, residues: np.ndarray, direct: np.ndarray
    ) -> str:
        """LI: y[t] = sum_s h[t-s] u[s] + direct u[t], h[t] = sum_k residues[c,k] exp(log_poles[c,k] t).

        u is [B,H,T]; log_poles and residues are [H,modes], direct [H]. One token is read by its modes,
        x[t] = exp(log_poles) x[t-1] + u[t] from the past's on, y = sum_k residues x + direct u; many, in chunks.
        """
        w, (width, modes), name = self.writer, log_poles.shape, f"layers.{layer}.modes"
        past = self._past(layer, "modes", width, modes)
        poles = np.asarray(log_poles, np.float64)
        constant = lambda part, array: w.constant(f"{name}.{part}", np.asarray(array, np.float32))

        def one() -> list[str]:
            x = w.node("Add", w.node("Mul", past, constant("decay", np.exp(poles))), u)
            y = w.node("ReduceSum", w.node("Mul", x, constant("residues", residues)), w.integers(2), keepdims=1)
            return [w.node("Add", y, w.node("Mul", u, constant("direct", direct[:, None]))), x]

        def many() -> list[str]:
            # From a chunk to what it adds to the modes at its end; from chunk and entry modes to y.
            powers = np.exp(poles[:, None, :] * np.arange(CHUNK)[None, :, None])
            into = constant("into", powers[:, ::-1])
            response = np.einsum("hk,htk->ht", np.asarray(residues, np.float64), powers)
            response[:, 0] += direct
            carried = (powers * (residues * np.exp(poles))[:, None, :]).swapaxes(1, 2)
            own = self._toeplitz(name, response.astype(np.float32), 0)
            out = w.node("Concat", own, constant("carried", carried), axis=1)
            chunks = w.node("Concat", u, self._pad(CHUNK), axis=2)
            chunks = w.node("Reshape", chunks, w.node("Concat", self._batch, w.integers(width, -1, CHUNK), axis=0))
            entry = self._entry_states(w.node("MatMul", chunks, into), past, poles, constant)
            y = w.node("MatMul", w.node("Concat", chunks, entry, axis=3), out)
            return [self._unchunked(y), self._modes_after(u, entry, into, constant("log_poles", poles))]

        y, present = self._choice(f"long.{layer}", self._one_token, one, many, 2)
        self._present(layer, "modes", width, modes, present)
        return y

    def _entry_states(self, sums: str, past: str, poles: np.ndarray, constant: Callable) -> str:
        """The modes [B,H,N,modes] before each of N chunks; `sums` is what each chunk adds to the modes at its end."""
        w, (width, modes) = self.writer, poles.shape
        chunks = w.node("Shape", sums, start=2, end=3)
        missing = self._missing(chunks, GROUP)
        filler = w.node("Expand", self._zero_states(), self._states_shape(width, missing, modes))
        grouped = w.node("Concat", sums, filler, axis=2)
        grouped = w.node("Reshape", grouped, w.node("Concat", self._batch, w.integers(width, -1, GROUP, modes), axis=0))
        steps = w.nodes("Split", GROUP, grouped, axis=3)
        decay = constant("chunk_decay", np.exp(poles * CHUNK)[:, None, None])
        # Within a group, from nothing: one chunk after the other.
        within, state = [], steps[0]
        for step in steps[1:]:
            within.append(state)
            state = w.node("Add", w.node("Mul", state, decay), step)
        # Across groups: shift by one, then double the reach until it covers the longest call.
        groups = w.node("Squeeze", state, w.integers(3))
        first = w.node("Unsqueeze", past, w.integers(2))
        state = self._leading(w.node("Concat", first, groups, axis=2), groups)
        for level in range(math.ceil(math.log2(max(2, self.shape.positions / (CHUNK * GROUP))))):
            reach = 1 << level
            decay = constant(f"group_decay.{level}", np.exp(poles * (CHUNK * GROUP * reach))[:, None])
            filler = w.node("Expand", self._zero_states(), self._states_shape(width, w.integers(reach), modes))
            shifted = self._leading(w.node("Concat", filler, state, axis=2), groups)
            state = w.node("Add", state, w.node("Mul", shifted, decay))
        # Group and chunk together.
        state = w.node("Unsqueeze", state, w.integers(3))
        powers = np.exp(poles[:, None, None, :] * (CHUNK * np.arange(1, GROUP))[None, None, :, None])
        later = w.node("Mul", state, constant("chunk_decays", powers))
        later = w.node("Add", later, w.node("Concat", *within, axis=3))
        entry = w.node("Concat", state, later, axis=3)
        entry = w.node("Reshape", entry, w.node("Concat", self._batch, w.integers(width, -1, modes), axis=0))
        return self._leading(entry, sums)

    def _modes_after(self, u: str, entry: str, into: str, log_poles: str) -> str:
        """The modes [B,H,modes] after each row's last token: from the entry of its chunk and the part it has of it."""
        w, width = self.writer, self.shape.width
        last = w.node("Unsqueeze", w.node("Sub", self._new, w.integers(1)), w.integers(2))
        chunk = w.node("Div", last, w.integers(CHUNK))
        inside = w.node("Add", w.node("Mod", last, w.integers(CHUNK)), w.integers(1))
        # The chunk's part, moved to a chunk's end, where the matrix's last rows meet it.
        index = w.node("Add", last, self._places)
        is_part = w.node("Greater", w.node("Add", inside, self._places), w.integers(0))
        index = w.node("Max", index, w.integers(0))
        wide = lambda size: w.node("Concat", self._batch, w.integers(width, size), axis=0)
        part = w.node("GatherElements", u, w.node("Expand", index, wide(CHUNK)), axis=2)
        part = w.node("Mul", part, w.node("Cast", is_part, to=TensorProto.FLOAT))
        part = w.node("MatMul", w.node("Unsqueeze", part, w.integers(2)), into)
        modes = w.node("Shape", entry, start=3, end=4)
        four = w.node("Concat", self._batch, w.integers(width, 1), modes, axis=0)
        index = w.node("Expand", w.node("Unsqueeze", chunk, w.integers(3)), four)
        start = w.node("GatherElements", entry, index, axis=2)
        decay = w.node("Exp", w.node("Mul", log_poles, w.node("Cast", inside, to=TensorProto.FLOAT)))
        start = w.node("Mul", w.node("Squeeze", start, w.integers(2)), decay)
        return w.node("Add", start, w.node("Squeeze", part, w.integers(2)))

    # --- states and shapes ---

    def _past(self, layer: int, kind: str, channels: int, size: int) -> str:
        return self.writer.input(f"past_states.{layer}.{kind}", TensorProto.FLOAT, ["B", channels, size])

    def _present(self, layer: int, kind: str, channels: int, size: int, value: str) -> None:
        self._states.append((value, f"present_states.{layer}.{kind}", ["B", channels, size]))

    def _with_taps(self, layer: int, u: str, taps: int) -> str:
        """u behind the inputs that its filter still reaches."""
        width = self.shape.width
        x = self.writer.node("Concat", self._past(layer, "taps", width, taps - 1), u, axis=2)
        self._present(layer, "taps", width, taps - 1, self._tail(x, width, taps - 1))
        return x

    def _tail(self, x: str, channels: int, size: int) -> str:
        """The `size` columns up to each row's last token, of x [B,channels,size + T]."""
        w = self.writer

        def index() -> str:
            columns = w.node("Add", self._new, w.constant(f"columns.{channels}.{size}", np.arange(size)))
            shape = w.node("Concat", self._batch, w.integers(channels, size), axis=0)
            return w.node("Expand", w.node("Unsqueeze", columns, w.integers(1)), shape)

        return w.node("GatherElements", x, self._shared(f"columns {channels} {size}", index), axis=2)

    def _depthwise(self, x: str, name: str, weight: np.ndarray) -> str:
        """Filter every channel by its own taps [channels,1,K], in correlation order."""
        return self.writer.node("Conv", x, self.writer.constant(name, weight), group=len(weight))

    def _toeplitz(self, name: str, taps: np.ndarray, first: int) -> str:
        """[C,K,K - first], for taps [C,K]: what each of a chunk's K tokens gives to each of its outputs.

        With `first` -K, the next chunk's outputs come before its own. ONNX Runtime computes this once, when it loads
        the graph; stored, it would be K times as large.
        """
        w, size = self.writer, taps.shape[1]
        name = f"{name}.response"
        # Zeros on both sides, for lags below 0 and from K on.
        stored = w.constant(name, np.pad(taps, ((0, 0), (size, size))))
        # The next chunk's come first, as -K to -1, and are K to 2K - 1 tokens behind this chunk's first.
        outputs = np.arange(first, size)
        outputs = w.constant(f"{name}.outputs", np.where(outputs < 0, outputs + 2 * size, outputs)[None] + size)
        tokens = w.constant(f"{name}.tokens", np.arange(size)[:, None])
        return w.node("Gather", stored, w.node("Sub", outputs, tokens), axis=1)

    def _missing(self, count: str, size: int) -> str:
        """How many are missing to a multiple of `size`."""
        w = self.writer
        return w.node("Mod", w.node("Neg", count), w.integers(size))

    def _pad(self, size: int) -> str:
        """Zeros [B,H,missing] that fill the call's tokens up to whole chunks."""
        return self._zeros_of(self._missing(self._length, size))

    def _zeros(self, columns: int) -> str:
        return self._zeros_of(self.writer.integers(columns))

    def _zeros_of(self, columns: str) -> str:
        w = self.writer
        shape = w.node("Concat", self._batch, w.integers(self.shape.width), columns, axis=0)
        return w.node("Expand", self._zero, shape)

    def _zero_states(self) -> str:
        return self.writer.node("Unsqueeze", self._zero, self.writer.integers(3))

    def _states_shape(self, width: int, count: str, modes: int) -> str:
        w = self.writer
        return w.node("Concat", self._batch, w.integers(width), count, w.integers(modes), axis=0)

    def _leading(self, x: str, like: str) -> str:
        """As many of x along axis 2 as `like` has."""
        w = self.writer
        return w.node("Slice", x, w.integers(0), w.node("Shape", like, start=2, end=3), w.integers(2))

    def _unchunked(self, x: str) -> str:
        """[B,H,N,C] as [B,H,T]."""
        w = self.writer
        flat = w.node("Reshape", x, w.node("Concat", self._batch, w.integers(self.shape.width, -1), axis=0))
        return w.node("Slice", flat, w.integers(0), self._length, w.integers(2))

    def finish(self, x: str, norm: Callable[[str], str], head: Weight | None) -> None:
        super().finish(self.wanted(x), norm, head)
        for value, name, shape in self._states:
            self.writer.output(value, name, shape)
