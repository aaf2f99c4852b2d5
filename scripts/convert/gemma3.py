"""The gemma3 architecture (text only): its sizes, its tensors and its layers."""

import numpy as np

from decoder import Decoder
from errors import ConvertError
from gguf_file import GgufFile
from onnx_writer import MICROSOFT, OnnxWriter
from shape import shape_of

# Every sixth layer sees the whole context, the others a window (Gemma 3 Technical Report, arXiv 2503.19786, section 2).
PATTERN = 6
# The rotary base of the layers with a window (same section); GGUF files give the other one.
LOCAL_BASE = 10000.0
# Gemma 3 27B alone scales its queries by width / heads instead of by the head's size (same report; llama.cpp tells
# it, too, by its number of layers).
LAYERS_27B = 62


class Gemma3:
    """A Gemma 3 model in a GGUF file."""

    def __init__(self, source: GgufFile):
        self.source = source
        if source.get("gemma3.rope.scaling.type", "none") != "none" or source.get("gemma3.rope.scaling.factor"):
            raise ConvertError(f"{source.path}: scaled rotary embedding (gemma3.rope.scaling): not supported")
        head_dim = source.count("attention.key_length")
        if source.count("attention.value_length") != head_dim:
            raise ConvertError(f"{source.path}: keys and values of different size: not supported")
        self.shape = shape_of(source, head_dim)
        if self.shape.layers == LAYERS_27B:
            raise ConvertError(f"{source.path}: Gemma 3 27B ({LAYERS_27B} layers): not supported")
        self.rope_base = source.number("rope.freq_base")
        self.window = source.count("attention.sliding_window")
        size, width = (self.shape.head_dim,), (self.shape.width,)
        own = {"attn_q_norm": size, "attn_k_norm": size, "post_attention_norm": width, "post_ffw_norm": width}
        source.check_tensors(self.shape.tensors(own, tied=True))

    def config(self) -> dict:
        return {
            "model_type": "gemma3_text",
            "hidden_activation": "gelu_pytorch_tanh",
            "query_pre_attn_scalar": self.shape.head_dim,
            "rope_theta": self.rope_base,
            "rope_local_base_freq": LOCAL_BASE,
            "sliding_window": self.window,
            "sliding_window_pattern": PATTERN,
        }

    def write(self, writer: OnnxWriter) -> None:
        tensor, s = self.source.tensor, self.shape
        d = Decoder(writer, s, tensor("token_embd.weight"))
        everywhere, near = d.rotary("rotary_global", self.rope_base), d.rotary("rotary_local", LOCAL_BASE)
        x = writer.node("Mul", d.embed(), writer.constant("embedding_scale", np.array(s.width**0.5, np.float32)))
        for i in range(s.layers):
            load = lambda name: (f"layers.{i}.{name}", tensor(f"blk.{i}.{name}.weight"))
            n = d.norm(x, *load("attn_norm"))
            q, k, v = (d.linear(n, *load(f"attn_{name}")) for name in "qkv")
            q = d.joined(d.norm(d.by_head(q, s.heads), *load("attn_q_norm")), s.heads)
            k = d.joined(d.norm(d.by_head(k, s.kv_heads), *load("attn_k_norm")), s.kv_heads)
            if (i + 1) % PATTERN == 0:
                a = d.attention(q, k, v, everywhere)
            else:
                a = d.attention(q, k, v, near, self.window)
            a = d.linear(a, *load("attn_output"))
            x = writer.node("Add", x, d.norm(a, *load("post_attention_norm")))
            n = d.norm(x, *load("ffn_norm"))
            gate = writer.node("FastGelu", d.linear(n, *load("ffn_gate")), domain=MICROSOFT)
            h = d.linear(writer.node("Mul", gate, d.linear(n, *load("ffn_up"))), *load("ffn_down"))
            x = writer.node("Add", x, d.norm(h, *load("post_ffw_norm")))
        d.finish(x, tensor("output_norm.weight"), None)
