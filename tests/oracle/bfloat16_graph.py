"""Compute a graph for CUDA with numpy and round every bfloat16 value: a model of the numbers, not of a GPU.

An operator computes in float64 and rounds the result to the result's type. That models kernels that keep sums and
intermediate values in float32. The kernels of ONNX Runtime 1.31.1 do so, as their machine code shows (docs/gpu.md).
Some kernels also round inside, and the operators here do the same: attention rounds rotated queries, rotated keys and
attention weights; Gelu rounds the normal distribution function; FastGelu and RotaryEmbedding round every step.
"""

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


def rounded(x: np.ndarray) -> np.ndarray:
    """Rounds to the nearest bfloat16. Returns float64."""
    return x.astype(BFLOAT16).astype(np.float64)


def is_real(x: np.ndarray) -> bool:
    return x.dtype == BFLOAT16 or x.dtype.kind == "f"


class Graph:
    """One model.onnx, with the methods of an ONNX Runtime session."""

    def __init__(self, folder: Path):
        self._graph = onnx.load(folder / "model.onnx").graph
        self._constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in self._graph.initializer}

    def get_inputs(self) -> list[SimpleNamespace]:
        return [described(value) for value in self._graph.input]

    def get_outputs(self) -> list[SimpleNamespace]:
        return [described(value) for value in self._graph.output]

    def run(self, outputs: list[str], feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        values = {"": None} | self._constants | feed
        for node in self._graph.node:
            inputs = [values[name] for name in node.input]
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            element = next((x.dtype for x in inputs if x is not None and is_real(x)), None)
            wide = [x.astype(np.float64) if x is not None and is_real(x) else x for x in inputs]
            results = getattr(Operators, node.op_type)(*wide, **attributes)
            for name, result in zip(node.output, results if isinstance(results, tuple) else (results,)):
                if name:
                    keep = not is_real(result) or node.op_type == "Cast"
                    values[name] = result if keep else result.astype(element)
        return [values[name] for name in outputs]


def described(value: onnx.ValueInfoProto) -> SimpleNamespace:
    """Describes an input or output as an ONNX Runtime session does."""
    tensor = value.type.tensor_type
    kind = {TensorProto.FLOAT: "float", TensorProto.BFLOAT16: "bfloat16"}.get(tensor.elem_type, "")
    shape = [dim.dim_value or dim.dim_param for dim in tensor.shape.dim]
    return SimpleNamespace(name=value.name, shape=shape, type=f"tensor({kind})")


class Operators:
    """One function for each operator, with the operator's name. Real numbers go in and come out as float64."""

    @staticmethod
    def Cast(x, to):
        return x.astype(helper.tensor_dtype_to_np_dtype(to))

    def Gather(x, index, axis=0):
        return np.take(x, index, axis)

    def GatherND(x, index, batch_dims):
        assert batch_dims == 1
        return x[(np.arange(len(x))[:, None], *np.moveaxis(index, -1, 0))]

    def GatherElements(x, index, axis):
        return np.take_along_axis(x, index, axis)

    def Unsqueeze(x, axes):
        return np.expand_dims(x, tuple(axes.tolist()))

    def Squeeze(x, axes):
        return np.squeeze(x, tuple(axes.tolist()))

    def Reshape(x, shape):
        return x.reshape([old if new == 0 else new for old, new in zip((*x.shape, *shape), shape)])

    def Shape(x, start=0, end=None):
        return np.array(x.shape[start:end])

    def Range(start, limit, delta):
        return np.arange(start, limit, delta)

    def Concat(*x, axis):
        return np.concatenate(x, axis)

    def Slice(x, starts, ends, axes):
        (start,), (end,), (axis,) = starts, ends, axes
        return np.moveaxis(np.moveaxis(x, axis, 0)[start:end], 0, axis)

    def Split(x, sizes, axis):
        return tuple(np.split(x, np.cumsum(sizes)[:-1], axis))

    def Transpose(x, perm):
        return x.transpose(perm)

    def Expand(x, shape):
        return np.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(shape)))

    def Flatten(x, axis):
        return x.reshape(np.prod(x.shape[:axis]), -1)

    def Gemm(x, matrix, bias, transB):
        assert transB
        return x @ matrix.T + bias

    def Add(x, y):
        return x + y

    def Sub(x, y):
        return x - y

    def Mul(x, y):
        return x * y

    def Div(x, y):
        return x // y

    def Mod(x, y):
        return x % y

    def Neg(x):
        return -x

    def Min(x, y):
        return np.minimum(x, y)

    def Max(x, y):
        return np.maximum(x, y)

    def GreaterOrEqual(x, y):
        return x >= y

    def TensorScatter(cache, x, first):
        cache = cache.copy()
        for row, start in enumerate(first):
            cache[row, :, start : start + x.shape[2]] = x[row]
        return cache

    def Equal(x, y):
        return x == y

    def Exp(x):
        return np.exp(x)

    def Log(x):
        return np.log(x)

    def ReduceSum(x, axes):
        return x.sum(tuple(axes.tolist()), keepdims=True)

    def TopK(x, k, axis=-1):
        order = np.argsort(-x, axis, kind="stable")[..., : k[0]]
        return np.take_along_axis(x, order, axis), order

    def MatMul(x, y):
        return x @ y

    def FusedMatMul(x, y, transB=0, transBatchA=0):
        return (np.moveaxis(x, 0, -2) if transBatchA else x) @ (y.swapaxes(-1, -2) if transB else y)

    def CausalConvWithState(x, taps, bias=None, past=None, dilation=1, channels_last=0):
        channels, _, size = taps.shape
        assert (past is None) == bool(channels_last)
        shape, before = x.shape, dilation * (size - 1)
        if channels_last:
            x = x.reshape(*shape[:2], channels).swapaxes(1, 2)
            past = np.zeros((shape[0], channels, before))
        x = np.concatenate([past, x], 2)
        tokens = x.shape[2] - before
        y = sum(taps[:, :, lag] * x[:, :, lag * dilation :][:, :, :tokens] for lag in range(size))
        y = y if bias is None else y + bias[:, None]
        return y.swapaxes(1, 2).reshape(shape) if channels_last else y, x[:, :, tokens:]

    def ScaledSiLU(x):
        return x * rounded(1 / (1 + np.exp(-x)))

    def QuickGelu(x):
        # The kernel computes all steps in float32, so no step is rounded.
        return x / (1 + np.exp(-1.702 * x))

    def Gelu(x):
        return x * rounded(normal(x))

    def FastGelu(x):
        c, b = rounded(np.array([0.035677408136300125, 0.7978845608028654]))
        inner = rounded(rounded(rounded(c * x) * x) + b)
        tanh = rounded(np.tanh(rounded(x * inner)))
        return x * rounded(0.5 + rounded(0.5 * tanh))

    def SimplifiedLayerNormalization(x, scale, axis=-1, epsilon=1e-5):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + epsilon) * scale

    def LayerNormalization(x, scale, bias, axis=-1, epsilon=1e-5):
        x = x - x.mean(-1, keepdims=True)
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + epsilon) * scale + bias

    def BranchwiseRMSNorm(x, scale, epsilon, num_branches=1):
        split = x.reshape(*x.shape[:-1], num_branches, -1)
        return Operators.SimplifiedLayerNormalization(split, scale, epsilon=epsilon).reshape(x.shape)

    def SkipSimplifiedLayerNormalization(x, y, scale, epsilon):
        total = rounded(x + y)
        return Operators.SimplifiedLayerNormalization(total, scale, epsilon=epsilon), None, None, total

    def SkipLayerNormalization(x, y, scale, bias, epsilon):
        total = rounded(x + y)
        return Operators.LayerNormalization(total, scale, bias, epsilon=epsilon), None, None, total

    def RotaryEmbedding(x, places, cos, sin, num_heads, rotary_embedding_dim):
        batch, tokens, width = x.shape
        heads = x.reshape(batch, tokens, num_heads, width // num_heads).swapaxes(1, 2)
        return turned(heads, places, cos, sin, rounded).swapaxes(1, 2).reshape(x.shape)

    def GroupQueryAttention(
        q, k, v, past_key, past_value, last, total, cos=None, sin=None, *more,
        num_heads, kv_num_heads, do_rotary, local_window_size, scale, qk_norm_epsilon=None,
    ):
        head_dim = past_key.shape[3]
        if k is None:
            q, k, v = np.split(q, np.cumsum([num_heads * head_dim, kv_num_heads * head_dim]), 2)
        batch, tokens, _ = q.shape
        q, k, v = (x.reshape(batch, tokens, -1, head_dim).swapaxes(1, 2) for x in (q, k, v))
        if qk_norm_epsilon is not None:
            q, k = (
                Operators.SimplifiedLayerNormalization(x, w, epsilon=qk_norm_epsilon) for x, w in zip((q, k), more[-2:])
            )
        places = last[:, None] + 1 - tokens + np.arange(tokens)
        if do_rotary:
            q, k = (turned(x, places, cos, sin) for x in (q, k))
        q, k = rounded(q), rounded(k)
        key, value = past_key.copy(), past_value.copy()
        for row, rows in enumerate(places):
            key[row, :, rows], value[row, :, rows] = k[row].swapaxes(0, 1), v[row].swapaxes(0, 1)
        wide = lambda x: np.repeat(x, num_heads // kv_num_heads, 1)
        scores = scale * q @ wide(key).swapaxes(2, 3)
        distance = places[:, None, :, None] - np.arange(key.shape[2])
        seen = (distance >= 0) & ((local_window_size < 0) | (distance < local_window_size))
        scores = np.where(seen, scores, -np.inf)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        out = rounded(weights) @ wide(value) / weights.sum(-1, keepdims=True)
        return out.swapaxes(1, 2).reshape(batch, tokens, -1), key, value


def normal(x: np.ndarray) -> np.ndarray:
    """The distribution function of the standard normal distribution."""
    return 0.5 * (1 + np.vectorize(math.erf)(x / 2**0.5))


def turned(
    x: np.ndarray, places: np.ndarray, cos: np.ndarray, sin: np.ndarray, step: Callable = lambda x: x
) -> np.ndarray:
    """Rotary embedding of the first dimensions of x [B,heads,T,size]. Every product goes through `step`."""
    half = cos.shape[1]
    cos, sin = cos[places][:, None], sin[places][:, None]
    a, b, rest = np.split(x, [half, 2 * half], -1)
    return np.concatenate([step(a * cos) - step(b * sin), step(b * cos) + step(a * sin), rest], -1)
