"""A checkpoint with the shape of Qwen3-0.6B and random weights, in the published layout: one bfloat16 safetensors file.

The sizes are those of the published config.json; the tokenizer is a byte-level BPE of 256 bytes and a few merges, its
digits tokens of their own, in a vocabulary padded as the published one is.
"""

import json
import math
from pathlib import Path

import ml_dtypes
import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

SEED = 20260601
LAYERS, WIDTH, HEADS, KV_HEADS, HEAD_DIM, HIDDEN, ROWS = 28, 1024, 16, 8, 128, 3072, 151936
CONFIG = {
    "architectures": ["Qwen3ForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": 256,
    "eos_token_id": 256,
    "head_dim": HEAD_DIM,
    "hidden_act": "silu",
    "hidden_size": WIDTH,
    "initializer_range": 0.02,
    "intermediate_size": HIDDEN,
    "max_position_embeddings": 40960,
    "max_window_layers": 28,
    "model_type": "qwen3",
    "num_attention_heads": HEADS,
    "num_hidden_layers": LAYERS,
    "num_key_value_heads": KV_HEADS,
    "rms_norm_eps": 1e-06,
    "rope_scaling": None,
    "rope_theta": 1000000,
    "sliding_window": None,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.51.0",
    "use_cache": True,
    "use_sliding_window": False,
    "vocab_size": ROWS,
}
LAYER = {
    "input_layernorm": (WIDTH,),
    "self_attn.q_proj": (HEADS * HEAD_DIM, WIDTH),
    "self_attn.k_proj": (KV_HEADS * HEAD_DIM, WIDTH),
    "self_attn.v_proj": (KV_HEADS * HEAD_DIM, WIDTH),
    "self_attn.o_proj": (WIDTH, HEADS * HEAD_DIM),
    "self_attn.q_norm": (HEAD_DIM,),
    "self_attn.k_norm": (HEAD_DIM,),
    "post_attention_layernorm": (WIDTH,),
    "mlp.gate_proj": (HIDDEN, WIDTH),
    "mlp.up_proj": (HIDDEN, WIDTH),
    "mlp.down_proj": (WIDTH, HIDDEN),
}
SHAPES = {
    "model.embed_tokens.weight": (ROWS, WIDTH),
    "model.norm.weight": (WIDTH,),
    **{f"model.layers.{i}.{name}.weight": shape for i in range(LAYERS) for name, shape in LAYER.items()},
}
LARGEST_TENSOR_BYTES = 2 * ROWS * WIDTH
# What a token of a prompt is multiplied with; the embedding is only looked up.
LAYER_WEIGHTS = LAYERS * sum(math.prod(shape) for shape in LAYER.values() if len(shape) == 2)


def write(folder: Path) -> Path:
    """The folder as Hugging Face's, its tensors written one by one."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "generation_config.json").write_text(json.dumps({"bos_token_id": 256, "eos_token_id": [256, 257]}))
    tokenizer().save(str(folder / "tokenizer.json"))
    header, offset = {}, 0
    for name, shape in SHAPES.items():
        end = offset + 2 * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    rng = np.random.default_rng(SEED)
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for shape in SHAPES.values():
            if len(shape) == 1:
                values = rng.uniform(0.5, 1.5, shape)
            else:
                values = rng.standard_normal(shape, np.float32) * np.float32(CONFIG["initializer_range"])
            file.write(values.astype(ml_dtypes.bfloat16).view(np.uint8).data)
    return folder


def tokenizer() -> Tokenizer:
    bytes_ = sorted(pre_tokenizers.ByteLevel.alphabet())
    pairs = [("A", "T"), ("G", "C"), ("t", "h"), ("th", "e")]
    vocabulary = {token: id for id, token in enumerate(bytes_)}
    made = Tokenizer(models.BPE(vocabulary | {a + b: 258 + i for i, (a, b) in enumerate(pairs)}, pairs))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    made.decoder = decoders.ByteLevel()
    return made
