"""Write checkpoints with the shapes of Qwen3 models and random weights, as published: one bfloat16 safetensors file.

The sizes are from the published config.json. The tokenizer is a byte-level BPE of 256 bytes and a few merges; each
digit is a token. The other tokens of the vocabulary are named after their ids, so that answers show which token it is.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import ml_dtypes
import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

SEED = 20260601
SCALE = 0.02
# Matrices are cut from one block of random numbers, which repeats as often as needed. The block's length is a prime, so
# no two rows of a matrix are the same window.
BLOCK = 23_999_981


@dataclass(frozen=True)
class Qwen3:
    layers: int
    width: int
    heads: int
    kv_heads: int
    hidden: int
    is_tied: bool
    head_dim: int = 128
    rows: int = 151936

    @property
    def config(self) -> dict:
        return {
            "architectures": ["Qwen3ForCausalLM"],
            "attention_bias": False,
            "attention_dropout": 0.0,
            "bos_token_id": 256,
            "eos_token_id": 256,
            "head_dim": self.head_dim,
            "hidden_act": "silu",
            "hidden_size": self.width,
            "initializer_range": SCALE,
            "intermediate_size": self.hidden,
            "max_position_embeddings": 40960,
            "max_window_layers": self.layers,
            "model_type": "qwen3",
            "num_attention_heads": self.heads,
            "num_hidden_layers": self.layers,
            "num_key_value_heads": self.kv_heads,
            "rms_norm_eps": 1e-06,
            "rope_scaling": None,
            "rope_theta": 1000000,
            "sliding_window": None,
            "tie_word_embeddings": self.is_tied,
            "torch_dtype": "bfloat16",
            "transformers_version": "4.51.0",
            "use_cache": True,
            "use_sliding_window": False,
            "vocab_size": self.rows,
        }

    @property
    def _layer(self) -> dict[str, tuple[int, ...]]:
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        return {
            "input_layernorm": (self.width,),
            "self_attn.q_proj": (queries, self.width),
            "self_attn.k_proj": (keys, self.width),
            "self_attn.v_proj": (keys, self.width),
            "self_attn.o_proj": (self.width, queries),
            "self_attn.q_norm": (self.head_dim,),
            "self_attn.k_norm": (self.head_dim,),
            "post_attention_layernorm": (self.width,),
            "mlp.gate_proj": (self.hidden, self.width),
            "mlp.up_proj": (self.hidden, self.width),
            "mlp.down_proj": (self.width, self.hidden),
        }

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        layers = {
            f"model.layers.{i}.{name}.weight": shape
            for i in range(self.layers)
            for name, shape in self._layer.items()
        }
        head = {} if self.is_tied else {"lm_head.weight": (self.rows, self.width)}
        return {"model.embed_tokens.weight": (self.rows, self.width), "model.norm.weight": (self.width,)} | layers | head

    @property
    def largest_tensor_bytes(self) -> int:
        return 2 * self.rows * self.width

    @property
    def layer_weights(self) -> int:
        """The number of weights that a token of a prompt is multiplied with.

        The embedding does not count: it is only looked up. Nor does the head: it runs only where logits are asked for.
        """
        return self.layers * sum(math.prod(shape) for shape in self._layer.values() if len(shape) == 2)


SHAPES = {
    "qwen3-0.6b": Qwen3(layers=28, width=1024, heads=16, kv_heads=8, hidden=3072, is_tied=True),
    "qwen3-8b": Qwen3(layers=36, width=4096, heads=32, kv_heads=8, hidden=12288, is_tied=False),
}


def write(folder: Path, model: Qwen3) -> Path:
    """Writes a folder as Hugging Face has it, one tensor at a time."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(model.config))
    (folder / "generation_config.json").write_text(json.dumps({"bos_token_id": 256, "eos_token_id": [256, 257]}))
    tokenizer(model.rows).save(str(folder / "tokenizer.json"))
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in model.shapes.items():
        end = offset + 2 * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    rng = np.random.default_rng(SEED)
    block = (rng.standard_normal(BLOCK, np.float32) * np.float32(SCALE)).astype(ml_dtypes.bfloat16).view(np.uint16)
    at = 0
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for shape in model.shapes.values():
            if len(shape) == 1:
                file.write(rng.uniform(0.5, 1.5, shape).astype(ml_dtypes.bfloat16).view(np.uint8).data)
                continue
            left = math.prod(shape)
            while left:
                part = block[at : at + left]
                file.write(part.view(np.uint8).data)
                left -= part.size
                at = (at + part.size) % BLOCK
    return folder


def tokenizer(rows: int) -> Tokenizer:
    bytes_ = sorted(pre_tokenizers.ByteLevel.alphabet())
    pairs = [("A", "T"), ("G", "C"), ("t", "h"), ("th", "e")]
    named = [*bytes_, "<256>", "<257>", *(a + b for a, b in pairs)]
    named += [f"<{id}>" for id in range(len(named), rows)]
    made = Tokenizer(models.BPE({token: id for id, token in enumerate(named)}, pairs))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    made.decoder = decoders.ByteLevel()
    return made
