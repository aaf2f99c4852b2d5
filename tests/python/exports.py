"""Makes variants of the tiny exports in the fixtures."""

import shutil
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from greedy import TINY

GENAI = TINY.parent / "tiny-genai"


def model_of(folder: Path = TINY) -> onnx.ModelProto:
    return onnx.load(folder / "model.onnx")


def written(model: onnx.ModelProto, folder: Path, source: Path = TINY, **external) -> Path:
    """Writes a copy of the model's folder with another graph."""
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("model.onnx*"))
    onnx.save_model(model, folder / "model.onnx", **external)
    return folder


def narrowed(model: onnx.ModelProto, element: int) -> onnx.ModelProto:
    """The model with all floats in another type, including caches and logits."""
    dtype = {TensorProto.FLOAT16: np.float16, TensorProto.BFLOAT16: ml_dtypes.bfloat16}[element]

    def tensor(old: onnx.TensorProto) -> None:
        if old.data_type == TensorProto.FLOAT:
            array = np.clip(numpy_helper.to_array(old), -65504, 65504)
            old.CopyFrom(numpy_helper.from_array(array.astype(dtype), old.name))

    for initializer in model.graph.initializer:
        tensor(initializer)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                tensor(attribute.t)
            if node.op_type == "Cast" and attribute.i == TensorProto.FLOAT:
                attribute.i = element
    del model.graph.value_info[:]
    for port in (*model.graph.input, *model.graph.output):
        if port.type.tensor_type.elem_type == TensorProto.FLOAT:
            port.type.tensor_type.elem_type = element
    return model
