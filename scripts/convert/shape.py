"""The sizes of a decoder, as GGUF files of every architecture here name them."""

from dataclasses import dataclass

from errors import ConvertError
from gguf_file import GgufFile

# Tables of rotary angles longer than this cost more memory than prompts of this field need.
MAX_POSITIONS = 32768
# GroupQueryAttention with rotary embedding takes no other head sizes than multiples of this.
HEAD_MULTIPLE = 16


@dataclass(frozen=True)
class Shape:
    """The sizes of a decoder."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    head_dim: int
    hidden: int
    vocabulary: int
    positions: int
    epsilon: float


def shape_of(source: GgufFile, head_dim: int) -> Shape:
    """The sizes in a GGUF file's metadata, as far as ONNX Runtime can run them."""
    shape = Shape(
        layers=source.count("block_count"),
        width=source.count("embedding_length"),
        heads=source.count("attention.head_count"),
        kv_heads=source.count("attention.head_count_kv"),
        head_dim=head_dim,
        hidden=source.count("feed_forward_length"),
        vocabulary=len(source.list("tokenizer.ggml.tokens")),
        positions=min(source.count("context_length"), MAX_POSITIONS),
        epsilon=source.number("attention.layer_norm_rms_epsilon"),
    )
    if head_dim % HEAD_MULTIPLE:
        raise ConvertError(f"{source.path}: heads of size {head_dim}: expected a multiple of {HEAD_MULTIPLE}")
    if shape.heads % shape.kv_heads:
        raise ConvertError(f"{source.path}: {shape.heads} heads do not divide among {shape.kv_heads} key-value heads")
    return shape
