"""The qwen2 and qwen3 architectures (Qwen2.5, arXiv 2412.15115; Qwen3, dense, arXiv 2505.09388), variants of llama.

Qwen2 adds biases to queries, keys and values. Qwen3 normalises queries and keys for each head before they are rotated,
and its config.json gives the head size.
"""

from hf_config import HfConfig
from llama import Llama


class Qwen2(Llama):
    """A Qwen2 or Qwen2.5 model."""

    architecture = "qwen2"
    biased = True

    def options(self, config: HfConfig) -> None:
        config.expect("use_mrope", False)
        config.expect("use_sliding_window", False)
        config.get("sliding_window")
        config.expect("layer_types", ["full_attention"] * config.count("num_hidden_layers"))


class Qwen3(Qwen2):
    """A Qwen3 model."""

    architecture = "qwen3"
    biased = False
    # The default of transformers' Qwen3Config.
    default_head = 128
    norms = {"attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm"}

    def options(self, config: HfConfig) -> None:
        super().options(config)
        config.expect("attention_bias", False)
