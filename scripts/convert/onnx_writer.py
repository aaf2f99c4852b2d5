"""Writing an ONNX graph node by node, its weights straight to the external data file.

No weight is held once it is written, so the peak is one tensor, and the graph file stays below protobuf's 2 GB.
"""

import itertools
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

DATA_FILE = "model.onnx.data"
OPSET = 17
IR_VERSION = 10
MICROSOFT = "com.microsoft"
# Smaller constants (shapes, indices) stay in the graph, where graph optimisers can see them.
INLINE_BYTES = 1024
# ONNX Runtime maps external data; a mapping begins at a page.
PAGE = 4096


class OnnxWriter:
    """A graph under construction. Every method that adds a value returns the value's name."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._data = (folder / DATA_FILE).open("wb")
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, TensorProto] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        # One count for all nodes: a value of a branch must not shadow one outside.
        self._numbers = itertools.count()

    def input(self, name: str, element: int, shape: list) -> str:
        self._inputs.append(helper.make_tensor_value_info(name, element, shape))
        return name

    def output(self, value: str, name: str, shape: list) -> None:
        """Declare a float32 output and give it the value."""
        self._nodes.append(helper.make_node("Identity", [value], [name], name=name))
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def constant(self, name: str, array: np.ndarray) -> str:
        """Add a constant under its own name; large ones go to the data file."""
        array = np.ascontiguousarray(array)
        if name in self._constants:
            raise ValueError(f"constant {name} added twice")
        if array.nbytes < INLINE_BYTES:
            self._constants[name] = numpy_helper.from_array(array, name)
            return name
        self._data.write(b"\0" * (-self._data.tell() % PAGE))
        offset = self._data.tell()
        self._data.write(array.astype(array.dtype.newbyteorder("<"), copy=False).data)
        proto = TensorProto(name=name, data_type=helper.np_dtype_to_tensor_dtype(array.dtype), dims=array.shape)
        proto.data_location = TensorProto.EXTERNAL
        for key, value in (("location", DATA_FILE), ("offset", offset), ("length", array.nbytes)):
            proto.external_data.add(key=key, value=str(value))
        self._constants[name] = proto
        return name

    def integers(self, *values: int) -> str:
        """A constant int64 vector; equal ones are one constant."""
        name = "i" + "_".join(str(value) for value in values)
        if name not in self._constants:
            self.constant(name, np.array(values, np.int64))
        return name

    def node(self, op: str, *inputs: str, domain: str = "", **attributes) -> str:
        """Add a node of one output."""
        return self.nodes(op, 1, *inputs, domain=domain, **attributes)[0]

    def nodes(self, op: str, outputs: int, *inputs: str, domain: str = "", **attributes) -> list[str]:
        """Add a node of several outputs."""
        base = f"{op}_{next(self._numbers)}"
        names = [base if outputs == 1 else f"{base}_{i}" for i in range(outputs)]
        self._nodes.append(helper.make_node(op, list(inputs), names, name=base, domain=domain, **attributes))
        return names

    def branch(self, name: str, build) -> onnx.GraphProto:
        """A subgraph for `If`: `build()` adds its nodes and returns the value that leaves it."""
        outer, self._nodes = self._nodes, []
        result = build()
        inner, self._nodes = self._nodes, outer
        out = helper.make_tensor_value_info(result, TensorProto.FLOAT, None)
        return helper.make_graph(inner, name, [], [out])

    def save(self, name: str) -> None:
        """Write `model.onnx` beside its data."""
        self._data.close()
        graph = helper.make_graph(self._nodes, name, self._inputs, self._outputs, list(self._constants.values()))
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)],
            ir_version=IR_VERSION,
            producer_name="shotline",
        )
        onnx.save_model(model, self._folder / "model.onnx")

    def __enter__(self) -> "OnnxWriter":
        return self

    def __exit__(self, *_) -> None:
        self._data.close()
