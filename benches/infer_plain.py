"""Makes a plain Hugging Face export with a vocabulary of 152 thousand tokens, for benches/infer.py.

    python3 benches/infer_plain.py TOKENIZER.json FOLDER

The model has SmolLM2-135M's shape, Qwen's vocabulary and random weights. optimum exports it as its users do. Inputs are
`input_ids`, `attention_mask`, `position_ids` and a cache; outputs are the logits of every position over the whole
vocabulary. SmolLM2's tokenizer has ids for only a part of it. Runs with tests/oracle/requirements.txt.
"""

import shutil
import sys
import tempfile
from pathlib import Path

import torch
from optimum.exporters.onnx import main_export
from transformers import LlamaConfig, LlamaForCausalLM

CONFIG = {
    "vocab_size": 151_936,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "max_position_embeddings": 8192,
    "rms_norm_eps": 1e-5,
    "rope_theta": 100_000.0,
    "tie_word_embeddings": True,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def main() -> int:
    tokenizer, folder = Path(sys.argv[1]), Path(sys.argv[2])
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as temp:
        LlamaForCausalLM(LlamaConfig(**CONFIG)).save_pretrained(temp)
        building = folder.with_name(f".{folder.name}")
        shutil.rmtree(building, ignore_errors=True)
        # optimum's own comparison with torch would take minutes, and it does not concern memory.
        main_export(temp, building, task="text-generation-with-past", do_validation=False, no_post_process=True)
    shutil.copy(tokenizer, building / "tokenizer.json")
    building.rename(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
