"""Matrices in blocks of 32 weights of 4 bits (GGUF's Q4_0, Q4_1 and Q4_K), unpacked without quantising anew.

A weight is scale * (code - 8) + offset. Its code is from 0 to 15; scale and offset belong to its block:

    Q4_0   d (q - 8)       scale d, no offset
    Q4_1   d q + m         scale d, offset m + 8 d
    Q4_K   d q - m         scale d, offset 8 d - m; d and m are each a product of a float16 number for 256 weights and
                           a 6-bit number for the block

Codes are those in the file. Scales are products with at most 17 significant bits, so they are exact in float32. An
offset is rounded to float32 once, which changes a weight by less than 2^-23 of the largest weight in the block.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from gguf import GGMLQuantizationType
from gguf.quants import Q4_K

BLOCK = 32
# The number that is subtracted from a code.
MIDDLE = 8
# Q4_K's super-blocks: number of weights, bytes before the codes, bytes of the packed scales among them.
SUPER_BLOCK, SUPER_HEAD, SCALE_BYTES = 256, 16, 12


@dataclass(frozen=True)
class Blocks:
    """A matrix [rows, columns]: `codes` of that shape; `scales` and `offsets` (None: all zero) [rows, columns / 32]."""

    codes: np.ndarray
    scales: np.ndarray
    offsets: np.ndarray | None

    def edited(self, edit: Callable[[np.ndarray], np.ndarray]) -> "Blocks":
        """A copy with rows reordered or selected; `edit` does this to the rows of any matrix."""
        offsets = None if self.offsets is None else edit(self.offsets)
        return replace(self, codes=edit(self.codes), scales=edit(self.scales), offsets=offsets)

    def packed(self) -> np.ndarray:
        """The codes, two per byte with the first in the low half: [rows, columns / 32, 16]."""
        return (self.codes[:, 0::2] | self.codes[:, 1::2] << 4).reshape(*self.scales.shape, BLOCK // 2)


def _halves(data: np.ndarray) -> np.ndarray:
    """The codes in a block's bytes: first those in the low halves, then those in the high halves."""
    return np.concatenate([data & 15, data >> 4], -1)


def _float16(data: np.ndarray) -> np.ndarray:
    """The float16 numbers in these bytes, as float32."""
    return np.ascontiguousarray(data).view(np.float16).astype(np.float32)[..., 0]


def _q4_0(data: np.ndarray, columns: int) -> Blocks:
    data = data.reshape(len(data), columns // BLOCK, 18)
    return Blocks(_halves(data[..., 2:]).reshape(-1, columns), _float16(data[..., :2]), None)


def _q4_1(data: np.ndarray, columns: int) -> Blocks:
    data = data.reshape(len(data), columns // BLOCK, 20)
    scales, least = _float16(data[..., :2]), _float16(data[..., 2:4])
    return Blocks(_halves(data[..., 4:]).reshape(-1, columns), scales, least + MIDDLE * scales)


def _q4_k(data: np.ndarray, columns: int) -> Blocks:
    rows = len(data)
    data = data.reshape(rows * columns // SUPER_BLOCK, 144)
    factors, depths = Q4_K.get_scale_min(data[:, 4 : 4 + SCALE_BYTES])
    scales = _float16(data[:, :2])[:, None] * factors.astype(np.float32)
    depths = _float16(data[:, 2:4])[:, None] * depths.astype(np.float32)
    # Each 32 bytes hold two blocks: one in the low halves, the other in the high halves.
    codes = _halves(data[:, SUPER_HEAD:].reshape(len(data), -1, BLOCK))
    shape = (rows, columns // BLOCK)
    return Blocks(codes.reshape(rows, columns), scales.reshape(shape), (MIDDLE * scales - depths).reshape(shape))


# For each supported type, the function from data [rows, bytes] and the number of columns to Blocks.
TAKEN_APART = {
    GGMLQuantizationType.Q4_0: _q4_0,
    GGMLQuantizationType.Q4_1: _q4_1,
    GGMLQuantizationType.Q4_K: _q4_k,
}
