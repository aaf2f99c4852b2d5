"""HyenaDNA's first published folders: a Lightning training checkpoint, and a config.json in the terms of its code.

config.json has the arguments of `HyenaDNAModel` in standalone_hyenadna.py (HazyResearch/hyena-dna), whose defaults are
used here. weights.ckpt has the weights under `state_dict`. Their names begin with `model.`, and have `layer.` inside a
layer that used gradient checkpointing. This module translates both to the keys and names of the folders ending in -hf.
"""

import re
from pathlib import Path

import numpy as np

from errors import ConvertError
from files import read_json
from hf_config import HfConfig
from pt_file import PtFile
from source import Source

WEIGHTS, CONFIG = "weights.ckpt", "config.json"
# Options of training, and options that change how results are computed but not the results.
WITHOUT_EFFECT = (
    "checkpoint_mixer checkpoint_mlp embed_dropout fused_dropout_add_ln fused_mlp initializer_cfg resid_dropout "
    "residual_in_fp32 return_hidden_state"
).split()
OF_A_LAYER = "dropout filter_dropout local_order lr lr_pos_emb modulation_lr wd".split()


class LightningFolder(Source):
    """A folder of this kind."""

    architecture = "hyenadna"

    def __init__(self, path: Path):
        self.path = path
        table = read_json(path / CONFIG)
        if not isinstance(table, dict):
            raise ConvertError(f"{path / CONFIG}: expected a JSON object, found {type(table).__name__}")
        self.config = HfConfig(path / CONFIG, _told(HfConfig(path / CONFIG, table)))
        self._file = PtFile(path / WEIGHTS)
        self._names = {_renamed(name): name for name in self._file.shapes() if name.startswith("model.")}

    @staticmethod
    def is_one(path: Path) -> bool:
        """Whether the folder is of this kind."""
        return all((path / name).is_file() for name in (WEIGHTS, CONFIG))

    def shapes(self) -> dict[str, tuple[int, ...]]:
        shapes = self._file.shapes()
        return {name: shapes[own] for name, own in self._names.items()}

    def tensor(self, name: str) -> np.ndarray:
        return self._file.tensor(self._names[name])

    def files(self) -> list[Path]:
        return [self.path / CONFIG, *self._file.files()]


def _renamed(name: str) -> str:
    """The name of this tensor in the folders that end in -hf."""
    name = re.sub(r"\.(mixer|mlp)\.layer\.", r".\1.", name.removeprefix("model."))
    return f"hyena.{name}" if name.startswith("backbone.") else name


def _told(config: HfConfig) -> dict:
    """Translate the training code's keys to those of a folder that ends in -hf; refuse unsupported values."""
    layer = config.get("layer")
    if not isinstance(layer, dict):
        raise config.refuse("layer", f"expected an object, found {layer!r:.40}")
    layer = config.inside("layer", layer)
    width = config.count("d_model")
    config.expect_none("attn_layer_idx", "attn_cfg")
    config.expect("max_position_embeddings", 0)
    layer.expect("_name_", "hyena")
    layer.expect("d_model", width)
    layer.expect("modulate", True)
    layer.expect("normalized", False)
    layer.expect("shift", 0.05)
    for source, keys in ((config, WITHOUT_EFFECT), (layer, OF_A_LAYER)):
        for key in keys:
            source.get(key)
    told = {
        "d_model": width,
        "n_layer": config.count("n_layer"),
        "d_inner": config.count("d_inner"),
        "vocab_size": config.count("vocab_size"),
        "pad_vocab_size_multiple": config.count("pad_vocab_size_multiple", 1),
        "layer_norm_epsilon": config.number("layer_norm_epsilon", 1e-5),
        "max_seq_len": layer.count("l_max"),
        "emb_dim": layer.count("emb_dim", 3),
        "filter_order": layer.count("filter_order", 64),
        "num_inner_mlps": layer.count("num_inner_mlps", 2),
        "activation_freq": layer.number("w", 1.0),
        "hyena_order": layer.count("order", 2),
        "short_filter_order": layer.count("short_filter_order", 3),
    }
    for source in (config, layer):
        source.finish()
    return told
