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

    def tensors(self, own: dict[str, tuple[int, ...]], tied: bool) -> dict[str, tuple[int, ...]]:
        """The shapes of all tensors by name: what every decoder here has, and in each layer the architecture's own."""
        q, kv = self.heads * self.head_dim, self.kv_heads * self.head_dim
        layer = {
            "attn_norm": (self.width,),
            "attn_q": (q, self.width),
            "attn_k": (kv, self.width),
            "attn_v": (kv, self.width),
            "attn_output": (self.width, q),
            "ffn_norm": (self.width,),
            "ffn_gate": (self.hidden, self.width),
            "ffn_up": (self.hidden, self.width),
            "ffn_down": (self.width, self.hidden),
        } | own
        tensors = {"token_embd.weight": (self.vocabulary, self.width), "output_norm.weight": (self.width,)}
        if not tied:
            tensors["output.weight"] = (self.vocabulary, self.width)
        for i in range(self.layers):
            tensors |= {f"blk.{i}.{name}.weight": shape for name, shape in layer.items()}
        return tensors


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
