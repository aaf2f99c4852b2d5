"""The reading graph of StripedHyena 1 or 2: the interface of decoder.py, plus the states of the convolutions.

Additional inputs and outputs, float32; N is the layer's index in the model, H the width, K a filter's taps:
    past_states.N.short [B,3H,2]      the last projections of layer N, before its short filter
    past_states.N.taps  [B,H,K-1]     the last inputs of its inner filter (SE and MR layers)
    past_states.N.modes [B,H,16]      the modes of its inner filter (LI layers; if they are complex, as in version 1,
                                      all real parts come first, then all imaginary parts)
    present_states.N.*                the same after this call's tokens
All are zero before the first token. Attention layers have past_key_values.N.* and present.N.*.

For CUDA, the products with checkpoint matrices, attention and the residual are bfloat16, as in the reference
implementation; norms sum in float32. Between the two matrix products of a Hyena layer, states, filters and gates are
float32, while the reference rounds after each of them. No operator needs cuDNN, and none reads a length from the GPU.

Sources: the reference implementations, stripedhyena (PyPI, 0.2.2, Apache-2.0) and vortex (PyPI `vtx` 1.1.0,
Apache-2.0), Ku et al., "Systems and algorithms for convolutional multi-hybrid language models at scale" (arXiv
2503.01868). Long convolutions are computed in chunks, by matrix products. ONNX Runtime has a Fourier transform for the
CPU only, so none is used.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from onnx import TensorProto

from decoder import Decoder
from onnx_writer import MICROSOFT, OnnxWriter
from shape import Shape
from weights import Weight

# Taps of the filter over the projections.
SHORT_TAPS = 3
# Tokens in a chunk of the modal convolution. Larger chunks cost more for the products within them, and less for states
# and their scan. On CUDA with over 65535 modes (a grid limit), the scan's filter takes at most 128 chunks: 8192 tokens.
CHUNK = 64
# The number of levels of the scan over chunks. Each level multiplies the reach by the same number of taps.
LEVELS = 2
# With more taps than this, ONNX Runtime's Conv is faster on a CPU than its filter with a state (4 times at 128 taps).
FEW_TAPS = 16
END = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Sizes:
    """Sizes of this call's chunks; most are vectors of one integer."""

    # Token counts: in the call, in the last chunk (at least 1), that minus 1, before the last chunk, missing from it.
    tokens: str
    last: str
    rest: str
    before: str
    missing: str
    # Zeros [H,B,missing].
    filler: str
    # The shapes [B,chunks,H,-1] and [H,B,-1].
    by_row: str
    by_channel: str
    # For each level of the scan: the first tap that reaches a chunk of this call. The last tap is -1.
    taps: list[str]


class StripedHyenaGraph(Decoder):
    """Builds the graph; every method adds nodes and returns a value's name."""

    def __init__(self, writer: OnnxWriter, shape: Shape, embedding: Weight):
        # A fused norm has epsilon inside the root, x / sqrt(r^2 + e); this model has it outside, x / (r + e). If the
        # fused norm gets e^2, they differ by at most e / r. In bfloat16, this is below a rounding if r is above 1e-3.
        super().__init__(writer, replace(shape, epsilon=shape.epsilon**2), embedding)
        self._is_narrow = writer.element != TensorProto.FLOAT
        self._outside = shape.epsilon * shape.width**0.5
        self._taps = math.ceil((shape.positions / CHUNK) ** (1 / LEVELS))
        self._states: list[tuple[str, str, list]] = []

    def residual(self, x: str, y: str | None, weight: Weight, bias: None = None) -> tuple[str, str]:
        if y is None or self._is_narrow:
            return super().residual(x, y, weight)
        x = self.writer.node("Add", x, y)
        return x, self.norm(x, weight)

    def norm(self, x: str, weight: Weight, bias: None = None) -> str:
        """weight * x / (|x| / sqrt(H) + epsilon): epsilon is outside the root."""
        if self._is_narrow:
            return super().norm(x, weight)
        w = self.writer
        scale = w.constant(weight.name, (weight.array * np.float64(self.shape.width**0.5)).astype(np.float32))
        epsilon = self._shared("epsilon", lambda: self.number("epsilon", self._outside))
        size = w.node("Sqrt", w.node("ReduceSum", w.node("Mul", x, x), w.integers(-1)))
        return w.node("Mul", w.node("Div", x, w.node("Add", size, epsilon)), scale)

    # --- convolutions ---

    def hyena(
        self, layer: int, z: str, short: np.ndarray, inner: Callable[[str], str], bias: np.ndarray | None = None
    ) -> str:
        """x2 * inner(x1 * v) [B,T,H]; x2, x1, v: z [B,T,3H] after the short filter [3H,3] with bias [3H], split."""
        w, width = self.writer, self.shape.width
        z = w.exact(w.node("Transpose", z, perm=[0, 2, 1]))
        z = self.explicit(layer, "short", z, short, bias)
        x2, x1, v = w.nodes("Split", 3, z, w.integers(width, width, width), axis=1)
        y = w.node("Mul", x2, inner(w.node("Mul", x1, v)))
        if self._is_narrow:
            y = w.node("Cast", y, to=w.element)
        return w.node("Transpose", y, perm=[0, 2, 1])

    def explicit(self, layer: int, kind: str, x: str, taps: np.ndarray, bias: np.ndarray | None = None) -> str:
        """y[t] = sum_j taps[c,j] x[t-K+1+j] + bias[c] for x [B,C,T], taps [C,K]; `kind` is the state's name."""
        w, (channels, size) = self.writer, taps.shape
        named = lambda array: w.constant(f"layers.{layer}.{kind}.bias", array.astype(np.float32))
        biases = () if bias is None else (named(bias),)
        past = self._past(layer, kind, channels, size - 1)
        taps = w.constant(f"layers.{layer}.{kind}", taps.astype(np.float32)[:, None])
        if w.device == "cpu" and size > FEW_TAPS:
            x = w.node("Concat", past, x, axis=2)
            present = w.node("Slice", x, w.integers(1 - size), w.integers(END), w.integers(2))
            y = w.node("Conv", x, taps, *biases, group=channels)
        else:
            y, present = w.nodes("CausalConvWithState", 2, x, taps, *(biases or ("",)), past, domain=MICROSOFT)
        self._present(layer, kind, channels, size - 1, present)
        return y

    def long_implicit(
        self, layer: int, u: str, log_poles: np.ndarray, residues: np.ndarray, direct: np.ndarray
    ) -> str:
        """LI: y[t] = sum_s h[t-s] u[s] + direct u[t], h[t] = real part of sum_k residues[c,k] exp(log_poles[c,k] t).

        u is [B,H,T]; log_poles and residues are [H,modes], direct [H]. A chunk's y comes from its own tokens and from
        the modes before it. Each channel has one product over the chunks of all rows, so every matrix is read once.
        """
        w, width, sizes = self.writer, len(log_poles), self._sizes
        constant = lambda part, array: w.constant(f"layers.{layer}.modes.{part}", np.asarray(array, np.float32))
        exact = np.complex128 if np.iscomplexobj(log_poles) else np.float64
        poles, residues = log_poles.astype(exact), residues.astype(exact)
        modes = parts(poles).shape[1]
        past = self._past(layer, "modes", width, modes)
        powers = np.exp(poles * np.arange(CHUNK + 1)[:, None, None])
        # `into` maps a chunk's tokens to their part of the modes at its end; `response` maps tokens to y.
        into = constant("into", parts(powers[CHUNK - 1 :: -1].swapaxes(0, 1)))
        response = np.einsum("hk,thk->ht", residues, powers[:CHUNK]).real
        response[:, 0] += direct
        # ONNX Runtime builds the matrices when it loads the graph; in the file, they would take 64 times the space.
        lags = np.maximum(np.arange(CHUNK) - np.arange(CHUNK)[:, None], -1)
        places = self._shared("lags", lambda: w.constant("lags", lags + 1))
        own = w.node("Gather", constant("response", np.pad(response, ((0, 0), (1, 0)))), places, axis=1)
        # `carried` maps modes to y. The conjugate makes a sum over both parts the real part of the complex product.
        carried = constant("carried", np.moveaxis(parts((powers[1:] * residues).conj()), 0, 2))
        u = w.node("Transpose", u, perm=[1, 0, 2])
        chunks = w.node("Reshape", w.node("Concat", u, sizes.filler, axis=2), w.integers(width, -1, CHUNK))
        sums = w.node("Transpose", w.node("MatMul", chunks, into), perm=[1, 0, 2])
        entry = w.node("Unsqueeze", past, w.integers(1))
        entry = w.node("Concat", entry, w.node("Reshape", sums, sizes.by_row), axis=1)
        # Each chunk's entry comes from the chunks before it, so the last chunk's sum is cut off.
        entry = self._scan(w.node("Slice", entry, w.integers(0), w.integers(-1), w.integers(1)), poles, constant)
        y = w.node("Reshape", entry, w.integers(-1, width, modes))
        y = w.node("FusedMatMul", y, carried, domain=MICROSOFT, transBatchA=1)
        y = w.node("Reshape", w.node("Add", w.node("MatMul", chunks, own), y), sizes.by_channel)
        y = w.node("Slice", y, w.integers(0), sizes.tokens, w.integers(2))
        # The last chunk may be incomplete.
        last = w.node("Slice", entry, w.integers(-1), w.integers(END), w.integers(1))

        def decayed(x: str, name: str, factors: np.ndarray) -> str:
            factors = w.node("Slice", constant(name, factors), sizes.rest, sizes.last, w.integers(0))
            return w.node("Mul", x, factors)

        last = w.node("Squeeze", self._multiplied(last, "decays", powers[1:], decayed), w.integers(1))
        part = w.node("Slice", u, sizes.before, w.integers(END), w.integers(2))
        part = w.node("MatMul", part, w.node("Slice", into, sizes.missing, w.integers(END), w.integers(1)))
        part = w.node("Transpose", part, perm=[1, 0, 2])
        self._present(layer, "modes", width, modes, w.node("Add", last, part))
        return w.node("Transpose", y, perm=[1, 0, 2])

    def _scan(self, x: str, poles: np.ndarray, constant: Callable) -> str:
        """sum_j exp(poles * chunk)^j x[n-j] for x [B,N,H,modes], by a chain of filters, each with a wider reach."""
        w = self.writer
        for level, first in enumerate(self._sizes.taps):
            reach = self._taps**level

            def filtered(x: str, name: str, factors: np.ndarray) -> str:
                taps = constant(name, np.moveaxis(factors, 0, 2).reshape(-1, 1, self._taps))
                # Keep only the taps that can reach one of the N entries: the operator keeps a state for each tap.
                taps = w.node("Slice", taps, first, w.integers(END), w.integers(2))
                options = {"dilation": reach, "channels_last": 1, "domain": MICROSOFT}
                return w.nodes("CausalConvWithState", 2, x, taps, **options)[0]

            lags = CHUNK * reach * np.arange(self._taps - 1, -1, -1)
            x = self._multiplied(x, f"scan.{level}", np.exp(poles * lags[:, None, None]), filtered)
        return x

    def _multiplied(self, x: str, name: str, factors: np.ndarray, by: Callable[[str, str, np.ndarray], str]) -> str:
        """x times factors [.., modes]. `by` multiplies real numbers; complex ones are multiplied by their parts."""
        if not np.iscomplexobj(factors):
            return by(x, name, factors)
        w, modes = self.writer, factors.shape[-1]
        real, imaginary = w.nodes("Split", 2, x, w.integers(modes, modes), axis=-1)
        swapped = w.node("Concat", imaginary, real, axis=-1)
        own = by(x, name, np.concatenate([factors.real, factors.real], -1))
        other = by(swapped, f"{name}.other", np.concatenate([-factors.imag, factors.imag], -1))
        return w.node("Add", own, other)

    @cached_property
    def _sizes(self) -> Sizes:
        w, width = self.writer, self.shape.width
        batch, tokens = (w.node("Shape", self._ids, start=axis, end=axis + 1) for axis in (0, 1))
        others = w.node("Sub", tokens, w.integers(1))
        rest = w.node("Mod", others, w.integers(CHUNK))
        last = w.node("Add", rest, w.integers(1))
        missing = w.node("Sub", w.integers(CHUNK - 1), rest)
        filler = w.node("Concat", w.integers(width), batch, missing, axis=0)
        filler = w.node("Expand", w.constant("zero", np.zeros((1, 1, 1), np.float32)), filler)
        by_channel = w.node("Concat", w.integers(width), batch, w.integers(-1), axis=0)
        reaches = (CHUNK * self._taps**level for level in range(LEVELS))
        counts = [w.node("Add", w.node("Div", others, w.integers(reach)), w.integers(1)) for reach in reaches]
        by_row = w.node("Concat", batch, counts[0], w.integers(width, -1), axis=0)
        taps = [w.node("Neg", count) for count in counts]
        return Sizes(tokens, last, rest, w.node("Sub", others, rest), missing, filler, by_row, by_channel, taps)

    # --- states ---

    def _past(self, layer: int, kind: str, channels: int, size: int) -> str:
        return self.writer.input(f"past_states.{layer}.{kind}", TensorProto.FLOAT, ["B", channels, size])

    def _present(self, layer: int, kind: str, channels: int, size: int, value: str) -> None:
        self._states.append((value, f"present_states.{layer}.{kind}", ["B", channels, size]))

    def finish(self, n: str, head: Weight | None) -> None:
        super().finish(n, head)
        for value, name, shape in self._states:
            self.writer.output(value, name, TensorProto.FLOAT, shape)


def parts(numbers: np.ndarray) -> np.ndarray:
    """Numbers [.., modes]; complex ones become the real parts of all modes, then the imaginary parts of all modes."""
    return np.concatenate([numbers.real, numbers.imag], -1) if np.iscomplexobj(numbers) else numbers
