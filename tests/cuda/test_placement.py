"""Test that every graph for CUDA runs on CUDA: the CPU computes only with lengths, and copies are few.

    make test-cuda
"""

import onnx
import pytest

from device import placement, run_infer
from seeded_models import FAMILIES as DECODERS

FAMILIES = (*DECODERS, "evo1", "evo2", "hyenadna", "imagegpt")
# ONNX Runtime's release has a CUDA kernel for each of these operators, in the types that the graphs use. No kernel
# needs cuDNN.
OPERATORS = set(
    # The arithmetic of the models.
    "FusedMatMul MatMul Gemm Mul Add Sub Div Sqrt Exp Log Sigmoid ScaledSiLU Gelu FastGelu QuickGelu BiasGelu"
    " SimplifiedLayerNormalization SkipSimplifiedLayerNormalization LayerNormalization SkipLayerNormalization BranchwiseRMSNorm"
    " GroupQueryAttention RotaryEmbedding Attention TensorScatter CausalConvWithState"
    # Selection, comparison and layout of tensors.
    " Gather GatherND GatherElements TopK Where Equal GreaterOrEqual Less And ReduceSum Cast Range Expand Min Max"
    " Reshape Flatten Transpose Squeeze Unsqueeze Split Slice Concat Shape Constant Mod Neg".split()
)
# The lengths of a call lie in CPU memory, so the CPU may compute with them: these operators, so many nodes at most.
ON_THE_PROCESSOR = set("Shape Gather Squeeze Unsqueeze Add Sub Mul Div Mod Neg Concat Cast Slice Min".split())
MOST_ON_THE_PROCESSOR = 25
MOST_COPIES = 2


@pytest.fixture(scope="module", params=[(f, w) for f in FAMILIES for w in ("bfloat16", "float32")], ids="-".join)
def loaded(request, converted, prompts, tmp_path_factory):
    """(model folder, ONNX Runtime's verbose log)"""
    family, weights = request.param
    folder = converted(family, weights)
    first = prompts(family).splitlines(True)[0]
    ran = run_infer(tmp_path_factory.mktemp("run"), "--model", folder, prompts=first, ORT_LOG="verbose")
    assert ran.code == 0, ran.err[-2000:]
    return folder, ran.err


def test_what_computes_is_placed_on_cuda(loaded):
    placed = placement(loaded[1])
    assert set(placed.operators) <= {"CUDAExecutionProvider", "CPUExecutionProvider"}
    on_the_processor = placed.operators.get("CPUExecutionProvider", {})
    assert set(on_the_processor) <= ON_THE_PROCESSOR
    assert sum(on_the_processor.values()) <= MOST_ON_THE_PROCESSOR
    assert placed.copies <= MOST_COPIES


def test_no_operator_is_outside_the_list(loaded):
    graph = onnx.load(loaded[0] / "model.onnx", load_external_data=False).graph
    assert {node.op_type for node in graph.node} <= OPERATORS
