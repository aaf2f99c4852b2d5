"""Make random StripedHyena 1 models from a seed, in the folder layout of Evo 1 on Hugging Face.

The oracle (test_drawn_models.py) and the tests (tests/python/test_evo1.py) draw the same weights through this module,
so no weights are stored.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import ml_dtypes
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from seeded_models import write_safetensors  # noqa: E402

VOCABULARY = 512
ROOT = "backbone."


@dataclass(frozen=True)
class Config:
    """A model's sizes. `kinds` has "attention" or "long" for each layer.

    `by_head` tells how the rows of the long layers' projections are ordered: by head, or as three blocks.
    """

    kinds: tuple[str, ...]
    width: int
    heads: int
    hidden: int
    modes: int = 8
    base: float = 10000.0
    scaling: int = 1
    activation: str = "gelu"
    biased: bool = True
    by_head: bool = True
    tied: bool = True
    context: int = 4096

    def json(self) -> dict:
        of = lambda kind: [i for i, other in enumerate(self.kinds) if other == kind]
        return {
            "_commit_hash": None,
            "architectures": ["StripedHyenaModelForCausalLM"],
            "attn_layer_idxs": of("attention"),
            "auto_map": {"AutoModelForCausalLM": "modeling_hyena.StripedHyenaModelForCausalLM"},
            "column_split": False,
            "column_split_hyena": self.by_head,
            "eps": 1e-06,
            "final_norm": True,
            "hidden_size": self.width,
            "hyena_filter_groups": 1,
            "hyena_layer_idxs": of("long"),
            "inference_mode": False,
            "inner_mlp_size": self.hidden,
            "log_intermediate_values": False,
            "make_vocab_size_divisible_by": 8,
            "max_seqlen": self.context,
            "mha_out_proj_bias": self.biased,
            "mlp_activation": self.activation,
            "model_parallel_size": 1,
            "model_type": "stripedhyena",
            "num_attention_heads": self.heads,
            "num_filters": self.width,
            "num_layers": len(self.kinds),
            "pipe_parallel_size": 1,
            "prefill_style": "fft",
            "proj_groups": 1,
            "qkv_proj_bias": self.biased,
            "rotary_emb_base": self.base,
            "rotary_emb_scaling_factor": self.scaling,
            "short_filter_bias": True,
            "short_filter_length": 3,
            "smeared_gqa": False,
            "split_k0": True,
            "state_size": self.modes,
            "tie_embeddings": self.tied,
            "torch_dtype": "bfloat16",
            "transformers_version": None,
            "use_cache": True,
            "use_flash_attention_2": True,
            "use_flash_depthwise": False,
            "use_flash_rmsnorm": False,
            "use_flashfft": False,
            "use_interpolated_rotary_pos_emb": self.scaling != 1,
            "vocab_size": VOCABULARY,
        }


def drawn(seed: int) -> Config:
    """Draws sizes at random. Options take turns with the seed, so that neighbouring seeds miss none."""
    rng = np.random.default_rng([seed, 0])
    kinds = ["attention", "long", "long", *rng.choice(["attention", "long"], int(rng.integers(0, 3)))]
    rng.shuffle(kinds)
    heads, head_dim = int(rng.integers(1, 4)), int(rng.choice([16, 32]))
    return Config(
        kinds=tuple(map(str, kinds)),
        width=heads * head_dim,
        heads=heads,
        hidden=int(rng.integers(3, 9)) * 16,
        modes=int(rng.integers(2, 10)),
        base=float(rng.choice([1e4, 5e5])),
        scaling=(1, 16)[seed % 2],
        activation=("gelu", "gelu", "silu")[seed % 3],
        biased=seed % 4 != 3,
        by_head=seed % 5 != 4,
        tied=seed % 4 != 2,
    )


def bases(seed: int, count: int) -> np.ndarray:
    """Token ids of random bases."""
    return np.random.default_rng([seed, 2]).choice(np.frombuffer(b"ACGT", np.uint8), count).astype(np.int64)


def tensors(config: Config, seed: int) -> dict[str, np.ndarray]:
    """Random weights under the names of a published folder.

    They are bfloat16, except poles, residues and (for even seeds) the frequencies of the rotary embedding.
    """
    rng = np.random.default_rng([seed, 1])
    draw = lambda scale, *shape: rng.normal(0, scale, shape).astype(ml_dtypes.bfloat16)
    near_one = lambda size: rng.uniform(0.7, 1.3, size).astype(ml_dtypes.bfloat16)
    width, hidden = config.width, config.hidden
    matrix = lambda rows, columns: draw(columns**-0.5, rows, columns)
    table = {"embedding_layer.weight": draw(1, VOCABULARY, width)}
    for number, kind in enumerate(config.kinds):
        own = {"pre_norm.scale": near_one(width), "post_norm.scale": near_one(width)}
        own |= {"mlp.l1.weight": matrix(hidden, width), "mlp.l2.weight": matrix(hidden, width)}
        own |= {"mlp.l3.weight": matrix(width, hidden)}
        if kind == "attention":
            size = width // config.heads
            own |= {"inner_mha_cls.Wqkv.weight": matrix(3 * width, width)}
            own |= {"inner_mha_cls.out_proj.weight": matrix(width, width)}
            if config.biased:
                own |= {"inner_mha_cls.Wqkv.bias": draw(0.3, 3 * width), "inner_mha_cls.out_proj.bias": draw(0.3, width)}
            inverse = config.base ** -(np.arange(0, size, 2) / size)
            own["inner_mha_cls.rotary_emb.inv_freq"] = inverse.astype((np.float32, ml_dtypes.bfloat16)[seed % 2])
        else:
            own |= {"projections.weight": matrix(3 * width, width), "projections.bias": draw(0.3, 3 * width)}
            own |= {"out_filter_dense.weight": matrix(width, width), "out_filter_dense.bias": draw(0.3, width)}
            own["filter.short_filter_weight"] = draw(0.6, 3 * width, 1, 3)
            own["filter.short_filter_bias"] = draw(0.2, 3 * width)
            own["filter.D"] = draw(1, width)
            # Modes have decay times of 2 to 3000 tokens and any rotation per token.
            decay = np.exp(-1 / np.exp(rng.uniform(np.log(2), np.log(3000), (width, config.modes))))
            angle = rng.uniform(-np.pi, np.pi, (width, config.modes))
            poles = decay * np.exp(1j * angle)
            residues = rng.normal(0, 1, (2, width, config.modes)) * np.sqrt(1 - decay**2) / config.modes**0.5
            pairs = lambda real, imaginary: np.stack([real, imaginary], -1)[:, :, None].astype(np.float32)
            own |= {"filter.poles": pairs(poles.real, poles.imag), "filter.residues": pairs(*residues)}
        table |= {f"blocks.{number}.{name}": array for name, array in own.items()}
    table["norm.scale"] = near_one(width)
    if not config.tied:
        table["unembed.weight"] = draw(1, VOCABULARY, width)
    return {ROOT + name: array for name, array in table.items()}


def write(folder: Path, config: Config, table: dict[str, np.ndarray], **keys) -> Path:
    """Writes the folder. `keys` go into config.json."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config.json() | keys))
    write_safetensors(folder / "model.safetensors", table)
    return folder
