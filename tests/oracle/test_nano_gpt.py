"""Test converted nanoGPT checkpoints against transformers' GPT-2 on the same weights.

    make test-oracle

PyTorch saves the checkpoints, with the optimiser. nanoGPT is GPT-2 with transposed matrices and exact GELU. If nanoGPT
has no biases, GPT-2's biases are zeros.
"""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from test_language_models import agree

from converter import convert  # noqa: E402, after the path of test_language_models
from onnx_model import Model  # noqa: E402


def saved(folder: Path, seed: int, bias: bool) -> GPT2LMHeadModel:
    """Draws a model in transformers, and saves the files that nanoGPT's train.py would save for the model."""
    rng = np.random.default_rng(seed)
    heads, dim, layers = int(rng.integers(1, 7)), int(rng.choice([16, 40, 64])), int(rng.integers(1, 5))
    sizes = {"n_layer": layers, "n_head": heads, "n_embd": heads * dim, "vocab_size": int(rng.integers(40, 100))}
    torch.manual_seed(seed)
    model = GPT2LMHeadModel(GPT2Config(**sizes, n_positions=600, activation_function="gelu", bos_token_id=0, eos_token_id=0))
    for name, parameter in model.eval().named_parameters():
        is_norm = ".ln_" in name
        torch.nn.init.normal_(parameter, 1.0 if is_norm and name.endswith("weight") else 0.0, 0.2)
        if name.endswith("bias") and not bias:
            torch.nn.init.zeros_(parameter)
    table = {name: tensor.T.contiguous() if ".c_" in name else tensor for name, tensor in model.state_dict().items()}
    kept = {f"_orig_mod.{name}": tensor for name, tensor in table.items() if bias or not name.endswith(".bias")}
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(3, 2))])
    optimizer.param_groups[0]["params"][0].sum().backward()
    optimizer.step()
    arguments = sizes | {"block_size": 600, "bias": bias, "dropout": 0.0}
    folder.mkdir()
    rest = {"iter_num": 5, "best_val_loss": torch.tensor(1.5), "config": {"dtype": "bfloat16", "compile": True}}
    torch.save({"model": kept, "optimizer": optimizer.state_dict(), "model_args": arguments} | rest, folder / "ckpt.pt")
    meta = {"stoi": {chr(40 + i): i for i in range(40)}, "vocab_size": 40}
    (folder / "meta.pkl").write_bytes(pickle.dumps(meta))
    return model


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_logits_are_those_of_transformers(seed, bias, tmp_path):
    reference = saved(tmp_path / "out", seed, bias)
    model = Model(convert(tmp_path / "out", tmp_path / "model"))
    ids = np.random.default_rng(seed).integers(0, model.config["vocab_size"], 513)
    with torch.no_grad():
        expected = reference(torch.from_numpy(ids)[None]).logits[0].numpy()
    agree(model.whole(ids), expected)
    agree(model.chunks(ids, [300, 1, 212]), expected)
