"""Load ProGen2 in transformers as CodeGen: the same model, but the fused matrix has rows for 8 cores instead of 4.

After this module is imported, AutoModelForCausalLM can load folders of `"model_type": "progen"`.
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
                # Reorder 8 blocks of q, v, k into 4 blocks of q, q, v, v, k, k.
                weight.copy_(weight.view(4, 2, 3, -1, weight.shape[1]).transpose(1, 2).reshape(weight.shape))
        return model


AutoConfig.register("progen", ProGenConfig)
AutoModelForCausalLM.register(ProGenConfig, ProGenForCausalLM)
