"""ProGen2 under transformers, which has CodeGen: the same model, but for how many cores' rows its fused matrix has.

Importing this teaches AutoModelForCausalLM folders of `"model_type": "progen"`.
"""

import torch
from transformers import AutoConfig, AutoModelForCausalLM, CodeGenConfig, CodeGenForCausalLM


class ProGenConfig(CodeGenConfig):
    model_type = "progen"


class ProGenForCausalLM(CodeGenForCausalLM):
    config_class = ProGenConfig

    @classmethod
    def from_pretrained(cls, *arguments, **options):
        model = super().from_pretrained(*arguments, **options | {"attn_implementation": "eager"})
        with torch.no_grad():
            for block in model.transformer.h:
                weight = block.attn.qkv_proj.weight
                # 8 times q, v, k as 4 times two of q, two of v, two of k.
                weight.copy_(weight.view(4, 2, 3, -1, weight.shape[1]).transpose(1, 2).reshape(weight.shape))
        return model


AutoConfig.register("progen", ProGenConfig)
AutoModelForCausalLM.register(ProGenConfig, ProGenForCausalLM)
