"""The sizes of a transformer decoder, read from a GGUF file or a config.json."""

from dataclasses import dataclass

from errors import ConvertError
from gguf_file import GgufFile
from hf_config import HfConfig

# The limit of positions. Longer tables of rotary angles would cost memory, and the prompts of this field are shorter.
MAX_POSITIONS = 32768
# GroupQueryAttention only takes head sizes that are multiples of this.
HEAD_MULTIPLE = 8


@dataclass(frozen=True)
class Shape:
    """The sizes of a decoder. `tied`: the embedding is also the output matrix."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    head_dim: int
    hidden: int
    vocabulary: int
    positions: int
    epsilon: float
    tied: bool


def gguf_shape(file: GgufFile, epsilon: str = "attention.layer_norm_rms_epsilon", partial: bool = False) -> Shape:
    """The sizes in a GGUF file. `epsilon` is its key for epsilon; `partial`: only a part of a head may be rotated."""
    head_dim = file.count("embedding_length") // file.count("attention.head_count")
    head_dim = file.count("attention.key_length", head_dim)
    for key in ("attention.key_length", "attention.value_length", *(() if partial else ("rope.dimension_count",))):
        file.expect(key, head_dim)
    return checked(
        file,
        Shape(
            layers=file.count("block_count"),
            width=file.count("embedding_length"),
            heads=file.count("attention.head_count"),
            kv_heads=file.count("attention.head_count_kv", file.count("attention.head_count")),
            head_dim=head_dim,
            hidden=file.count("feed_forward_length"),
            vocabulary=len(file.array("tokenizer.ggml.tokens")),
            positions=min(file.count("context_length"), MAX_POSITIONS),
            epsilon=file.number(epsilon),
            tied="output.weight" not in file.shapes(),
        ),
    )


def config_shape(
    config: HfConfig, head_dim: int | None = None, epsilon: str = "rms_norm_eps", tied: bool = False
) -> Shape:
    """The sizes in a config.json. `head_dim` and `tied` are the family's defaults; `epsilon` is its key for epsilon.

    If there is no head size, it is width / heads.
    """
    width, heads = config.count("hidden_size"), config.count("num_attention_heads")
    if head_dim is None:
        head_dim = width // heads
    return checked(
        config,
        Shape(
            layers=config.count("num_hidden_layers"),
            width=width,
            heads=heads,
            kv_heads=config.count("num_key_value_heads", heads),
            head_dim=config.count("head_dim", head_dim),
            hidden=config.count("intermediate_size"),
            vocabulary=config.count("vocab_size"),
            positions=min(config.count("max_position_embeddings"), MAX_POSITIONS),
            epsilon=config.number(epsilon),
            tied=config.flag("tie_word_embeddings", tied),
        ),
    )


def checked(source: GgufFile | HfConfig, shape: Shape) -> Shape:
    """Return the shape, or refuse it if ONNX Runtime cannot run it."""
    if shape.head_dim % HEAD_MULTIPLE:
        raise ConvertError(f"{source.path}: heads of size {shape.head_dim}: expected a multiple of {HEAD_MULTIPLE}")
    if shape.heads % shape.kv_heads:
        raise ConvertError(f"{source.path}: {shape.heads} heads do not divide among {shape.kv_heads} key-value heads")
    return shape
