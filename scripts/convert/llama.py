"""The llama architecture (Llama, SmolLM, SmolLM2 ...): its sizes, its tensors and its layers."""

import numpy as np

from decoder import Decoder
from errors import ConvertError
from gguf_file import GgufFile
from onnx_writer import OnnxWriter
from shape import shape_of


class Llama:
    """A llama model in a GGUF file."""

    def __init__(self, source: GgufFile):
        self.source = source
        head_dim = source.get("llama.attention.key_length")
        if head_dim is None:
            head_dim = source.count("embedding_length") // source.count("attention.head_count")
        self.shape = shape_of(source, head_dim)
        self.rope_base = source.number("rope.freq_base")
        rotated = source.get("llama.rope.dimension_count", head_dim)
        if rotated != head_dim:
            raise ConvertError(f"{source.path}: rotary embedding of {rotated} of {head_dim} dimensions: not supported")
        self.tied = not source.has("output.weight")
        source.check_tensors(self.shape.tensors({}, self.tied))

    def config(self) -> dict:
        return {"model_type": "llama", "hidden_act": "silu", "rope_theta": self.rope_base}

    def write(self, writer: OnnxWriter) -> None:
        tensor, s = self.source.tensor, self.shape
        d = Decoder(writer, s, tensor("token_embd.weight"))
        tables = d.rotary("rotary", self.rope_base)
        x = d.embed()
        for i in range(s.layers):
            load = lambda name: (f"layers.{i}.{name}", tensor(f"blk.{i}.{name}.weight"))
            rotated = lambda name, heads: (f"layers.{i}.{name}", halves(tensor(f"blk.{i}.{name}.weight"), heads))
            n = d.norm(x, *load("attn_norm"))
            q, k = d.linear(n, *rotated("attn_q", s.heads)), d.linear(n, *rotated("attn_k", s.kv_heads))
            a = d.attention(q, k, d.linear(n, *load("attn_v")), tables)
            x = writer.node("Add", x, d.linear(a, *load("attn_output")))
            n = d.norm(x, *load("ffn_norm"))
            gate = d.linear(n, *load("ffn_gate"))
            gate = writer.node("Mul", gate, writer.node("Sigmoid", gate))
            h = writer.node("Mul", gate, d.linear(n, *load("ffn_up")))
            x = writer.node("Add", x, d.linear(h, *load("ffn_down")))
        d.finish(x, tensor("output_norm.weight"), None if self.tied else tensor("output.weight"))


def halves(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of Q or K as the rotary embedding of ONNX Runtime pairs them: i with i + d/2.

    llama.cpp's converter stores them interleaved, 2i with 2i + 1, for this architecture (not for Gemma).
    """
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)
