"""Writes an ONNX graph node by node, and its weights directly to the external data file.

A weight is freed after it is written, and matrices are converted in blocks. The peak memory is therefore one tensor of
the source and one block. The graph file stays below protobuf's 2 GB.
"""

import itertools
from collections.abc import Callable, Iterable
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from blocks import Blocks
from errors import ConvertError

DATA_FILE = "model.onnx.data"
OPSET = 17
IR_VERSION = 11
MICROSOFT = "com.microsoft"
# Smaller constants (shapes, indices) stay in the graph, where graph optimisers can see them.
INLINE_BYTES = 1024
# ONNX Runtime maps external data into memory, and a mapping begins at a page boundary.
PAGE = 4096
# The number of matrix elements that are converted at a time: 32 MiB of float32.
BLOCK = 1 << 23
# The types that matrices may be stored in. Q4 keeps 4-bit blocks and stores all other matrices as float32. Constants
# that are not matrices are in the type of the computation or float32.
Q4 = "q4"
WEIGHT_TYPES = {"float32": np.float32, "bfloat16": ml_dtypes.bfloat16, "float16": np.float16, Q4: np.float32}
# The matrix types for each device, the default first. A CPU always computes in float32. A GPU computes in the stored
# type, which cannot be float16: Gemma's activations leave its range.
DEVICES = {"cpu": ("float32", "bfloat16", "float16", Q4), "cuda": ("bfloat16", "float32")}


class OnnxWriter:
    """A graph under construction. Every method that adds a value returns the value's name."""

    def __init__(
        self,
        folder: Path,
        weights: str = "float32",
        device: str = "cpu",
        progress: Callable[[int], None] = lambda elements: None,
    ):
        """`weights` is a key of WEIGHT_TYPES, `device` one of DEVICES.

        `progress` is called for every matrix with its number of elements.
        """
        self.device = device
        # The type of the computation, for numpy and for ONNX.
        self.computed = np.dtype(np.float32 if device == "cpu" else WEIGHT_TYPES[weights])
        self.element = helper.np_dtype_to_tensor_dtype(self.computed)
        # Whether matrices in 4-bit blocks are stored as blocks.
        self.keeps_blocks = weights == Q4
        self._folder = folder
        self._type = np.dtype(WEIGHT_TYPES[weights])
        self._progress = progress
        self._data = (folder / DATA_FILE).open("wb")
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, TensorProto] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._numbers = itertools.count()
        self._opset = OPSET

    def input(self, name: str, element: int, shape: list) -> str:
        self._inputs.append(helper.make_tensor_value_info(name, element, shape))
        return name

    def output(self, value: str, name: str, element: int, shape: list) -> None:
        """Declare an output and rename the value, made by a node, to `name`. A copy instead might duplicate a cache."""
        for node in self._nodes:
            for names in (node.input, node.output):
                names[:] = [name if known == value else known for known in names]
        self._outputs.append(helper.make_tensor_value_info(name, element, shape))

    def constant(self, name: str, array: np.ndarray) -> str:
        """Add a constant under its own name, in its own type; large ones go to the data file."""
        array = np.asarray(array, order="C")
        if array.nbytes < INLINE_BYTES:
            self._add(numpy_helper.from_array(array, name))
            return name
        offset = self._page()
        self._write(array)
        return self._external(name, array.dtype, array.shape, offset)

    def matrix(self, name: str, parts: Iterable[tuple[np.ndarray, str]]) -> str:
        """Add a weight matrix in the weights' type, rounded to nearest even. Its parts are stacked as rows.

        Apply `widened` to the matrix, or to values taken from it, before computing with them. Each part comes with
        its name for messages.
        """
        offset, rows = self._page(), 0
        for array, origin in parts:
            step = max(1, BLOCK // array.shape[1])
            for start in range(0, len(array), step):
                with np.errstate(over="ignore"):
                    block = np.ascontiguousarray(array[start : start + step]).astype(self._type, copy=False)
                if not np.isfinite(block).all():
                    raise ConvertError(f"{origin}: a weight is not finite, or out of the range of {self._type}")
                self._write(block)
            self._progress(array.size)
            rows, columns = rows + len(array), array.shape[1]
        return self._external(name, self._type, (rows, columns), offset)

    def blocks(self, name: str, blocks: Blocks, origin: str) -> tuple[str, str, str | None]:
        """Add a matrix in blocks: codes [out, blocks, 16], scales [out, blocks] and offsets [blocks, out] or None."""
        parts = [blocks.scales] if blocks.offsets is None else [blocks.scales, blocks.offsets.T]
        if not all(np.isfinite(part).all() for part in parts):
            raise ConvertError(f"{origin}: a weight is not finite")
        codes = self.constant(f"{name}.codes", blocks.packed())
        scales, *offsets = (self.constant(f"{name}.{kind}", part) for kind, part in zip(("scales", "offsets"), parts))
        self._progress(blocks.codes.size)
        return codes, scales, offsets[0] if offsets else None

    def widened(self, value: str) -> str:
        """A matrix or a part of it, cast to the type of the computation."""
        return value if self._type == self.computed else self.node("Cast", value, to=self.element)

    def exact(self, value: str) -> str:
        """A value of the type of the computation, cast to float32."""
        return value if self.element == TensorProto.FLOAT else self.node("Cast", value, to=TensorProto.FLOAT)

    def require(self, opset: int) -> None:
        """Declare that the graph needs at least this version of ONNX's operators."""
        self._opset = max(self._opset, opset)

    def integers(self, *values: int) -> str:
        """A constant int64 vector; equal vectors share one constant."""
        name = "i" + "_".join(str(value) for value in values)
        if name not in self._constants:
            self.constant(name, np.array(values, np.int64))
        return name

    def node(self, op: str, *inputs: str, domain: str = "", **attributes) -> str:
        """Add a node with one output."""
        return self.nodes(op, 1, *inputs, domain=domain, **attributes)[0]

    def nodes(
        self, op: str, outputs: int, *inputs: str, domain: str = "", unused: tuple[int, ...] = (), **attributes
    ) -> list[str]:
        """Add a node with several outputs; the outputs whose indices are in `unused` get no name."""
        base = f"{op}_{next(self._numbers)}"
        names = [base if outputs == 1 else "" if i in unused else f"{base}_{i}" for i in range(outputs)]
        self._nodes.append(helper.make_node(op, list(inputs), names, name=base, domain=domain, **attributes))
        return names

    def save(self, name: str) -> None:
        """Write `model.onnx` beside its data."""
        self._data.close()
        graph = helper.make_graph(self._nodes, name, self._inputs, self._outputs, list(self._constants.values()))
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", self._opset), helper.make_opsetid(MICROSOFT, 1)],
            ir_version=IR_VERSION,
            producer_name="shotline",
        )
        onnx.save_model(model, self._folder / "model.onnx")

    def _page(self) -> int:
        """Pad the data file to the next page; return its offset."""
        self._data.write(b"\0" * (-self._data.tell() % PAGE))
        return self._data.tell()

    def _write(self, array: np.ndarray) -> None:
        # Write bytes, because Python's buffers do not know bfloat16.
        self._data.write(array.view(np.uint8).data)

    def _external(self, name: str, dtype: np.dtype, shape: tuple[int, ...], offset: int) -> str:
        """Add the constant whose bytes were just written to the data file."""
        proto = TensorProto(name=name, data_type=helper.np_dtype_to_tensor_dtype(dtype), dims=shape)
        proto.data_location = TensorProto.EXTERNAL
        length = self._data.tell() - offset
        for key, value in (("location", DATA_FILE), ("offset", offset), ("length", length)):
            proto.external_data.add(key=key, value=str(value))
        self._add(proto)
        return name

    def _add(self, proto: TensorProto) -> None:
        if proto.name in self._constants:
            raise ValueError(f"constant {proto.name} added twice")
        self._constants[proto.name] = proto

    def __enter__(self) -> "OnnxWriter":
        return self

    def __exit__(self, *_) -> None:
        self._data.close()
