"""Make random HyenaDNA models from a seed, in the folder layout of Hugging Face.

The oracle (test_drawn_models.py) and the tests (tests/python/test_hyenadna.py) draw the same weights through this
module, so no weights are stored.
"""

import json
import math
import pickle
import sys
import types
import zipfile
from dataclasses import dataclass
from pathlib import Path

import ml_dtypes
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from evo2_checkpoint import pickled, text  # noqa: E402
from seeded_models import write_safetensors  # noqa: E402

# The rows of the embedding: 12 tokens, padded to 16.
ROWS = 16
BASES = np.array([7, 8, 9, 10])
ROOT = "hyena.backbone."


@dataclass(frozen=True)
class Config:
    """A model's sizes. `every` tells whether the frequencies of all activations are saved, or only the first one's."""

    layers: int
    width: int
    hidden: int
    bands: int = 5
    order: int = 16
    inner: int = 2
    frequency: float = 10.0
    trained: bool = True
    tied: bool = False
    every: bool = False
    context: int = 4098

    def json(self) -> dict:
        return {
            "model_type": "hyenadna",
            "architectures": ["HyenaDNAForCausalLM"],
            "auto_map": {"AutoModelForCausalLM": "modeling_hyena.HyenaDNAForCausalLM"},
            "activation_freq": self.frequency,
            "d_inner": self.hidden,
            "d_model": self.width,
            "emb_dim": self.bands,
            "embed_dropout": 0.1,
            "filter_order": self.order,
            "hyena_dropout": 0.0,
            "hyena_filter_dropout": 0.0,
            "hyena_order": 2,
            "initializer_range": 0.02,
            "layer_norm_epsilon": 1e-05,
            "max_seq_len": self.context,
            "n_layer": self.layers,
            "num_inner_mlps": self.inner,
            "pad_vocab_size_multiple": 8,
            "short_filter_order": 3,
            "tie_word_embeddings": self.tied,
            "torch_dtype": "float32",
            "train_freq": self.trained,
            "transformers_version": "4.35.0.dev0",
            "use_bias": True,
            "vocab_size": 12,
        }


def drawn(seed: int) -> Config:
    """Draws sizes at random. Options take turns with the seed, so that neighbouring seeds miss none."""
    rng = np.random.default_rng([seed, 0])
    return Config(
        layers=int(rng.integers(1, 5)),
        width=8 * int(rng.integers(2, 9)),
        hidden=8 * int(rng.integers(3, 17)),
        bands=2 * int(rng.integers(1, 4)) + 1,
        order=int(rng.integers(8, 33)),
        inner=1 + seed % 3,
        frequency=(10.0, 1.0)[seed // 2 % 2],
        trained=seed % 4 != 3,
        tied=seed % 2 == 1,
        every=seed % 3 == 1,
    )


def bases(seed: int, count: int) -> np.ndarray:
    """Token ids of random bases."""
    return np.random.default_rng([seed, 2]).choice(BASES, count)


def tensors(config: Config, seed: int) -> dict[str, np.ndarray]:
    """Random weights under the names of a published folder, scaled so that every weight matters."""
    rng = np.random.default_rng([seed, 1])
    draw = lambda scale, *shape: rng.normal(0, scale, shape).astype(np.float32)
    table = {f"{ROOT}embeddings.word_embeddings.weight": draw(0.7, ROWS, config.width)}

    def linear(name: str, out: int, into: int, gain: float = 1.2) -> None:
        table[f"{name}.weight"] = draw(gain * into**-0.5, out, into)
        table[f"{name}.bias"] = draw(0.2, out)

    def norm(name: str) -> None:
        table[f"{name}.weight"] = rng.uniform(0.5, 1.5, config.width).astype(np.float32)
        table[f"{name}.bias"] = draw(0.2, config.width)

    width, order, steps = config.width, config.order, np.arange(config.context)
    for i in range(config.layers):
        layer = f"{ROOT}layers.{i}."
        filter = f"{layer}mixer.filter_fn."
        linear(f"{layer}mixer.in_proj", 3 * width, width)
        linear(f"{layer}mixer.out_proj", width, width)
        table[f"{layer}mixer.short_filter.weight"] = draw(0.6, 3 * width, 1, 3)
        table[f"{layer}mixer.short_filter.bias"] = draw(0.2, 3 * width)
        table[f"{filter}bias"] = draw(1, width)
        # Waves with a little noise, as if training had moved them.
        bands = config.bands // 2
        waves = np.outer(2 * math.pi * steps / config.context, np.linspace(1e-4, bands - 1, bands))
        z = np.concatenate([np.linspace(0, 1, config.context)[:, None], np.cos(-waves), np.sin(-waves)], 1)
        table[f"{filter}pos_emb.z"] = (z + rng.normal(0, 1e-3, z.shape)).astype(np.float32)[None]
        table[f"{filter}pos_emb.t"] = np.linspace(0, 1, config.context, dtype=np.float32)[None, :, None]
        decays = np.linspace(math.log(0.01) / 1.5, math.log(0.01) / 0.3, width)
        # Scaled so that windows decay as fast per token as in the shortest published context (1026). With slower decay,
        # the tests would not notice windows.
        table[f"{filter}modulation.deltas"] = (decays * config.context / 1026).astype(np.float32)[None, None]
        for j in range(1 + config.inner):
            linear(f"{filter}implicit_filter.{2 * j}", order, config.bands if j == 0 else order, 1.0)
            if config.trained and (j == 0 or config.every):
                frequency = table.get(f"{filter}implicit_filter.1.freq")
                drawn = rng.uniform(0.7, 1.3, (1, order)) * config.frequency if frequency is None else frequency
                table[f"{filter}implicit_filter.{2 * j + 1}.freq"] = drawn.astype(np.float32)
        table[f"{filter}implicit_filter.{2 * config.inner + 2}.weight"] = draw(0.1 * order**-0.5, width, order)
        norm(f"{layer}norm1")
        norm(f"{layer}norm2")
        linear(f"{layer}mlp.fc1", config.hidden, width)
        linear(f"{layer}mlp.fc2", width, config.hidden)
    norm(f"{ROOT}ln_f")
    if not config.tied:
        table["lm_head.weight"] = draw(3 * width**-0.5, ROWS, width)
    return table


def narrowed(table: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same model with weights rounded to bfloat16 numbers, except filters and their tables."""
    exact = lambda name: ".filter_fn." in name
    return {
        name: array if exact(name) else array.astype(ml_dtypes.bfloat16).astype(np.float32)
        for name, array in table.items()
    }


def write(folder: Path, config: Config, table: dict[str, np.ndarray], **keys) -> Path:
    """Writes the folder. `keys` go into config.json. A key with the value None is removed."""
    folder.mkdir()
    told = {key: value for key, value in (config.json() | keys).items() if value is not None}
    (folder / "config.json").write_text(json.dumps(told))
    write_safetensors(folder / "model.safetensors", table)
    return folder


def write_first(folder: Path, config: Config, table: dict[str, np.ndarray], inside: dict | None = None, **keys) -> Path:
    """Writes the folder in the layout of HyenaDNA's first release: a Lightning checkpoint, and the keys of that code.

    `keys` go into config.json, and `inside` into "layer" there. The names of tensors are those of layers with
    activation checkpointing. The first release has the frequencies of all activations, so the configuration should
    have `every=True`.
    """
    folder.mkdir()
    told = {
        "d_model": config.width, "n_layer": config.layers, "d_inner": config.hidden, "vocab_size": 12,
        "resid_dropout": 0.0, "embed_dropout": 0.1, "fused_mlp": False, "fused_dropout_add_ln": True,
        "checkpoint_mixer": True, "checkpoint_mlp": True, "residual_in_fp32": True, "pad_vocab_size_multiple": 8,
        "return_hidden_state": True,
        "layer": {"_name_": "hyena", "emb_dim": config.bands, "filter_order": config.order, "local_order": 3,
                  "num_inner_mlps": config.inner, "l_max": config.context, "modulate": True, "w": config.frequency,
                  "lr": 6e-4, "wd": 0.0, "lr_pos_emb": 0.0} | (inside or {}),
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(told | keys))
    own = {first_name(name): array for name, array in table.items()}
    # The checkpoint has the embedding again as the output matrix, and the state of a metric beside the model.
    own |= {"model.lm_head.weight": array for name, array in own.items() if name.endswith("word_embeddings.weight")}
    own["train_torchmetrics.loss"] = np.zeros(3, np.float32)
    write_lightning(folder / "weights.ckpt", own)
    return folder


def first_name(name: str) -> str:
    """The name of a tensor in the checkpoint of the first release."""
    name = name.replace(ROOT, "backbone.").replace(".mixer.", ".mixer.layer.").replace(".mlp.", ".mlp.layer.")
    return f"model.{name}"


class Bomb:
    """An object that calls a function when it is unpickled. The converter must never do that."""

    def __reduce__(self):
        return print, ("called",)


def write_lightning(path: Path, table: dict[str, np.ndarray]) -> None:
    """Writes a checkpoint as Lightning does: weights among other objects of the training.

    Here these are an object that would print when unpickled, and a configuration of Hydra.
    """
    module = types.ModuleType("omegaconf")
    module.DictConfig = type("DictConfig", (dict,), {"__module__": module.__name__, "__qualname__": "DictConfig"})
    sys.modules[module.__name__] = module
    try:
        hydra = module.DictConfig(lr=6e-4, names=["a"])
        hydra.parent = [module.DictConfig]
        rest = {"epoch": 3, "callbacks": {"best": Bomb()}, "hyper_parameters": hydra}
        content = b"\x80\x02}(" + text("state_dict") + pickled(table)[2:-1]
        content += b"".join(text(key) + pickle.dumps(value, 2)[2:-1] for key, value in rest.items()) + b"u."
    finally:
        del sys.modules[module.__name__]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", content)
        for number, array in enumerate(table.values()):
            archive.writestr(f"archive/data/{number}", np.ascontiguousarray(array).tobytes())
