"""Converts matrices of 8-bit floats with a scale per block, as in the FP8 folders of DeepSeek-V3 and Qwen3, to float32.

A weight is its float8_e4m3fn number times its block's scale in `NAME_scale_inv`. A block has 128 rows and columns, or
fewer at the edges (arXiv 2412.19437, section 3.3.2). The product is rounded to float32 once; with bfloat16 scales it is
exact. The models' authors also round the inputs of such a matrix to 8 bits; here they are not rounded.
"""

import numpy as np

from errors import TRANSFORMERS, ConvertError
from hf_config import HfConfig

# The name of a matrix's scales is its own name plus this.
SCALES = "_scale_inv"
BLOCK = [128, 128]
EXPECTED = {"quant_method": "fp8", "activation_scheme": "dynamic", "fmt": "e4m3"}
# Keys for the matrices that are not quantised, and for the format of scales. Both also follow from the tensors.
HARMLESS = ("ignored_layers", "modules_to_not_convert", "scale_fmt", "weight_block_size")
REMAINS = f"convert the model that was quantised, or a GGUF file of it, or let transformers answer: {TRANSFORMERS}"


def block_of(config: HfConfig) -> list[int] | None:
    """The rows and columns of a block; None if nothing is quantised."""
    table = config.get("quantization_config")
    if table is None:
        return None
    if not isinstance(table, dict):
        raise config.refuse("quantization_config", f"expected an object, found {table!r:.40}")
    options = config.inside("quantization_config", table)
    block = options.get("weight_block_size", BLOCK)
    try:
        for key, value in EXPECTED.items():
            options.expect(key, value)
        options.expect_none(*(key for key in table if key not in EXPECTED and key not in HARMLESS))
        if not isinstance(block, list) or [type(size) for size in block] != [int, int] or min(block) < 1:
            raise options.refuse("weight_block_size", f"expected rows and columns, found {block!r:.40}")
    except ConvertError as err:
        raise ConvertError(f"{err}; {REMAINS}") from err
    return block


def scales_shape(shape: tuple[int, ...], block: list[int]) -> tuple[int, ...]:
    """The shape of a matrix's scales: one for each block, including incomplete blocks."""
    return tuple(-(-size // length) for size, length in zip(shape, block))


def widened(matrix: np.ndarray, scales: np.ndarray, block: list[int]) -> np.ndarray:
    """The weights as float32."""
    wide, (rows, columns) = matrix.astype(np.float32), block
    for i, row in enumerate(scales.astype(np.float32)):
        wide[i * rows : (i + 1) * rows] *= np.repeat(row, columns)[: wide.shape[1]]
    return wide
