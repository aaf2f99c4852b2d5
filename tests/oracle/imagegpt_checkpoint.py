"""Make random ImageGPT models from a seed, in the folder layout of transformers."""

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from seeded_models import draw_config, draw_weights, write_safetensors  # noqa: E402

COLOURS = 512


def drawn(seed: int) -> dict:
    """A drawn config.json: GPT-2's, with the values that the published ImageGPT models have instead."""
    config = draw_config("gpt2", seed)
    return {key: value for key, value in config.items() if not key.startswith(("bos", "eos"))} | {
        "model_type": "imagegpt",
        "architectures": ["ImageGPTForCausalImageModeling"],
        "activation_function": "quick_gelu",
        "vocab_size": COLOURS + 1,
        "n_positions": 1024,
        "tie_word_embeddings": False,
    }


def tensors(config: dict, seed: int) -> dict[str, np.ndarray]:
    """GPT-2's weights, without the biases of norms, and with one row less in the output matrix."""
    table = draw_weights(config | {"model_type": "gpt2"}, seed)
    table["lm_head.weight"] = table["lm_head.weight"][:COLOURS]
    return {name: array for name, array in table.items() if ".ln_" not in name or name.endswith(".weight")}


def write(folder: Path, config: dict, table: dict[str, np.ndarray]) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    write_safetensors(folder / "model.safetensors", table)
    return folder
