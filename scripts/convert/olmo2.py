"""The olmo2 architecture (OLMo 2, arXiv 2501.00656, section 3.2): its tensors and its layers.

Differences from llama: norms apply to the outputs of attention and feed-forward instead of their inputs. Queries and
keys are also normalised, over all heads at once, before they are rotated.
"""

from decoder import Decoder
from hf_config import HfConfig
from llama import Llama
from onnx_writer import OnnxWriter
from weights import QKV


class Olmo2(Llama):
    """An OLMo 2 model."""

    architecture = "olmo2"
    norms = {
        "attn_q_norm": "self_attn.q_norm",
        "attn_k_norm": "self_attn.k_norm",
        "post_attention_norm": "post_attention_layernorm",
        "post_ffw_norm": "post_feedforward_layernorm",
    }

    def options(self, config: HfConfig) -> None:
        config.expect("attention_bias", False)

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        before = (".attn_norm", ".ffn_norm")
        return {name: shape for name, shape in super()._shapes().items() if not name.endswith(before)}

    def norm_shapes(self) -> dict[str, tuple[int, ...]]:
        s = self.shape
        return dict(zip(self.norms, ((s.heads * s.head_dim,), (s.kv_heads * s.head_dim,), (s.width,), (s.width,))))

    def write(self, writer: OnnxWriter) -> None:
        s, weights = self.shape, self.weights
        d = Decoder(writer, s, weights("embedding"))
        tables = d.rotary("rotary", self._rates)
        x = d.embed()
        for i in range(s.layers):
            layer = weights.layer(i)
            norms = [layer("attn_q_norm"), layer("attn_k_norm")]
            x, a = d.attention(x, x, [(layer(part),) for part in QKV], tables, norms)
            x = writer.node("Add", x, d.norm(d.linear(a, layer("attn_output")), layer("post_attention_norm")))
            x = writer.node("Add", x, d.norm(d.gated(x, layer, d.silu), layer("post_ffw_norm")))
        d.finish(d.norm(x, weights("output_norm")), None if s.tied else weights("head"))
