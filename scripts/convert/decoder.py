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

A call may be a whole prompt (P = 0), one token (T = 1) or, with B = 1 only, a further chunk (P > 0, T > 1): ONNX
Runtime's GroupQueryAttention allows no more.
"""

import numpy as np
from onnx import TensorProto

from onnx_writer import MICROSOFT, OnnxWriter
from shape import Shape


class Decoder:
    """Builds the subset graph; an architecture adds its layers between `embed` and `finish`."""

    def __init__(self, writer: OnnxWriter, shape: Shape, embedding: np.ndarray):
        self.writer = w = writer
        self.shape = shape
        self._ids = w.input("input_ids", TensorProto.INT64, ["B", "T"])
        self._mask = w.input("attention_mask", TensorProto.INT64, ["B", "S"])
        self._positions = w.input("positions", TensorProto.INT64, ["B", "Q"])
        self._rows = w.input("vocab_ids", TensorProto.INT64, ["V"])
        self._embedding = w.constant("embedding", embedding)
        self._caches: list[tuple[str, str]] = []
        last = w.node("Sub", w.node("ReduceSum", self._mask, w.integers(1), keepdims=0), w.integers(1))
        self._last = w.node("Cast", last, to=TensorProto.INT32)
        total = w.node("Cast", w.node("Shape", self._mask, start=1, end=2), to=TensorProto.INT32)
        self._total = w.node("Squeeze", total, w.integers(0))

    def embed(self) -> str:
        return self.writer.node("Gather", self._embedding, self._ids, axis=0)

    def rotary(self, name: str, base: float) -> tuple[str, str]:
        """The tables cos and sin of m * base^(-2i/d), m the position and d the head's size."""
        size = self.shape.head_dim
        # In float32 throughout, as transformers and the training code round them: at position 2000 a float32 angle is
        # off by up to 1e-4, which sharp attention turns into 2e-2 of a logit (measured on Gemma 3 270M).
        exponents = np.arange(0, size, 2, dtype=np.float32) / np.float32(size)
        rates = (np.float32(1) / np.float32(base) ** exponents).astype(np.float32)
        angles = np.outer(np.arange(self.shape.positions, dtype=np.float32), rates)
        cos = self.writer.constant(f"{name}.cos", np.cos(angles).astype(np.float32))
        sin = self.writer.constant(f"{name}.sin", np.sin(angles).astype(np.float32))
        return cos, sin

    def norm(self, x: str, name: str, weight: np.ndarray) -> str:
        """Root-mean-square normalisation over the last axis."""
        weight = self.writer.constant(name, weight)
        return self.writer.node("SimplifiedLayerNormalization", x, weight, axis=-1, epsilon=self.shape.epsilon)

    def linear(self, x: str, name: str, weight: np.ndarray) -> str:
        """x W^T for W as models store it, [out, in]."""
        return self.writer.node("MatMul", x, self.writer.constant(name, weight.T))

    def by_head(self, x: str, heads: int) -> str:
        return self.writer.node("Reshape", x, self.writer.integers(0, 0, heads, self.shape.head_dim))

    def joined(self, x: str, heads: int) -> str:
        return self.writer.node("Reshape", x, self.writer.integers(0, 0, heads * self.shape.head_dim))

    def attention(self, q: str, k: str, v: str, tables: tuple[str, str], window: int = -1) -> str:
        """Causal attention of the next layer over past and present, rotary embedding included.

        `window` is how many tokens a token sees, itself included (-1: all).
        """
        w, s, layer = self.writer, self.shape, len(self._caches)
        past = [
            w.input(f"past_key_values.{layer}.{kind}", TensorProto.FLOAT, ["B", s.kv_heads, "P", s.head_dim])
            for kind in ("key", "value")
        ]
        out, key, value = w.nodes(
            "GroupQueryAttention",
            3,
            *(q, k, v, *past, self._last, self._total, *tables),
            domain=MICROSOFT,
            num_heads=s.heads,
            kv_num_heads=s.kv_heads,
            do_rotary=1,
            local_window_size=window,
            scale=s.head_dim**-0.5,
        )
        self._caches.append((key, value))
        return out

    def finish(self, x: str, norm: np.ndarray, head: np.ndarray | None) -> None:
        """Logits at the wanted positions over the wanted rows of `head` (None: the embedding, tied)."""
        w, s = self.writer, self.shape
        matrix = self._embedding if head is None else w.constant("head", head)
        x = w.node("GatherND", x, w.node("Unsqueeze", self._positions, w.integers(2)), batch_dims=1)
        x = w.node("Reshape", self.norm(x, "output_norm", norm), w.integers(-1, s.width))
        wanted = w.node("Shape", self._rows)
        everything = w.node("Squeeze", w.node("Equal", wanted, w.integers(0)), w.integers(0))

        def all_rows() -> str:
            # ONNX Runtime would repack a constant operand into a second copy (671 MB for Gemma 3). A view whose
            # shape it learns at run time only - here rows + V, V being 0 - is used as it lies.
            rows = w.node("Add", wanted, w.integers(s.vocabulary))
            view = w.node("Reshape", matrix, w.node("Concat", rows, w.integers(s.width), axis=0))
            return w.node("Gemm", x, view, transB=1)

        def some_rows() -> str:
            return w.node("Gemm", x, w.node("Gather", matrix, self._rows, axis=0), transB=1)

        flat = w.node(
            "If",
            everything,
            then_branch=w.branch("all_rows", all_rows),
            else_branch=w.branch("some_rows", some_rows),
        )
        size = w.node("Concat", w.node("Shape", self._positions), w.node("Shape", flat, start=1, end=2), axis=0)
        w.output(w.node("Reshape", flat, size, allowzero=1), "logits", ["B", "Q", "rows"])
        for layer, pair in enumerate(self._caches):
            for kind, value in zip(("key", "value"), pair):
                w.output(value, f"present.{layer}.{kind}", ["B", s.kv_heads, "S", s.head_dim])
