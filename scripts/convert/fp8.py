"""Matrices of 8-bit floats with a scale for each block, as DeepSeek-V3 and Qwen3's FP8 folders have them, widened.

A weight is its float8_e4m3fn number times its block's scale, in `NAME_scale_inv`: blocks of 128 rows and columns, those
at the edges smaller (arXiv 2412.19437, section 3.3.2). A product is rounded to float32 once; where scales are bfloat16,
not at all. What is multiplied with such a matrix, the models' makers round to 8 bits, too; here it is not rounded.
"""

import numpy as np

from errors import TRANSFORMERS, ConvertError
from hf_config import HfConfig

# What a matrix's scales are called, behind its own name.
SCALES = "_scale_inv"
BLOCK = [128, 128]
EXPECTED = {"quant_method": "fp8", "activation_scheme": "dynamic", "fmt": "e4m3"}
# Which matrices are not quantised, and which values scales were chosen from: the tensors say both.
HARMLESS = ("ignored_layers", "modules_to_not_convert", "scale_fmt", "weight_block_size")
REMAINS = f"convert the model that was quantised, or a GGUF file of it, or let transformers answer: {TRANSFORMERS}"


def block_of(config: HfConfig) -> list[int] | None:
    """Rows and columns of a block; None: nothing is quantised."""
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
    """One scale for each block of a matrix, whole or not."""
    return tuple(-(-size // length) for size, length in zip(shape, block))


def widened(matrix: np.ndarray, scales: np.ndarray, block: list[int]) -> np.ndarray:
    """The weights, float32."""
    wide, (rows, columns) = matrix.astype(np.float32), block
    for i, row in enumerate(scales.astype(np.float32)):
        wide[i * rows : (i + 1) * rows] *= np.repeat(row, columns)[: wide.shape[1]]
    return wide
