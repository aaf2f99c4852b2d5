"""Small random models of every family, as Hugging Face folders. Sizes and weights are drawn from a seed.

The same folder is written again whenever it is needed, so no weights are stored. transformers computes references from
it (tests/oracle); `make test` writes it again and compares the converted model with the stored references. numpy's
generators give the same numbers in every version that CI pins. The weights have the scale of trained models: logits
spread by a few units, and attention is neither flat nor a single spike. So float32 rounding is not amplified, and
every weight matters.
"""

import json
from pathlib import Path

import ml_dtypes
import numpy as np

# Seeds depend on the position in this list: add new families at the end.
FAMILIES = ("llama", "qwen3", "gemma3_text", "gpt_neox", "qwen2", "mistral", "olmo2", "gpt2", "phi3", "progen")
# The names of the embedding and the output matrix.
MATRICES = {
    "gpt_neox": ("gpt_neox.embed_in.weight", "embed_out.weight"),
    "gpt2": ("transformer.wte.weight", "lm_head.weight"),
    "progen": ("transformer.wte.weight", "lm_head.weight"),
}
END, BEGIN = "<|end|>", "<|begin|>"
# A line break and a space as in byte-level BPE, the printable characters, and two pairs that merge.
TOKENS = [END, BEGIN, "\u010a", "\u0120", *(chr(c) for c in range(0x21, 0x7F)), "AT", "GC"]
POSITIONS = 2304
DTYPES = {np.dtype(np.float32): "F32", np.dtype(ml_dtypes.bfloat16): "BF16", np.dtype(np.float16): "F16",
          np.dtype(ml_dtypes.float8_e4m3fn): "F8_E4M3"}


def pick(rng: np.random.Generator, *choices):
    return choices[rng.integers(len(choices))]


def draw_config(family: str, seed: int) -> dict:
    """config.json of a model: random sizes, and options that rotate over neighbouring seeds so that each one occurs."""
    turn = lambda *choices, every=1: choices[seed // every % len(choices)]
    rng = np.random.default_rng([seed, FAMILIES.index(family)])
    kv_heads, group = pick(rng, 1, 2, 3), pick(rng, 1, 2, 4)
    head_dim = pick(rng, 16, 32, 40, 64)
    config = {
        "model_type": family,
        "vocab_size": len(TOKENS) + int(rng.integers(0, 60)),
        "hidden_size": 8 * int(rng.integers(4, 13)),
        "intermediate_size": 8 * int(rng.integers(4, 17)),
        "num_hidden_layers": int(rng.integers(2, 5)),
        "num_attention_heads": kv_heads * group,
        "max_position_embeddings": POSITIONS,
        "bos_token_id": TOKENS.index(BEGIN),
        "eos_token_id": TOKENS.index(END),
        "tie_word_embeddings": turn(True, False),
        "torch_dtype": "float32",
    }
    linear = {"rope_type": "linear", "factor": pick(rng, 2.0, 8.0)}
    scaling = turn(None, linear, every=2)
    if family in ("gpt2", "progen"):
        heads = kv_heads * group if family == "gpt2" else 8
        width = heads * head_dim
        shared = {key: config[key] for key in config if key.startswith(("model", "vocab", "bos", "eos", "tie", "torch"))}
        shared |= {
            "architectures": ["GPT2LMHeadModel"],
            "activation_function": "gelu_new",
            "n_embd": width,
            "n_head": heads,
            "n_layer": config["num_hidden_layers"],
            "n_positions": POSITIONS,
            "n_inner": turn(None, config["intermediate_size"]),
            "layer_norm_epsilon": 1e-5,
        }
        if family == "gpt2":
            return shared
        own = {"architectures": ["ProGenForCausalLM"], "tie_word_embeddings": False}
        return shared | own | {"rotary_dim": turn(head_dim, head_dim // 2, every=2)}
    if family == "gpt_neox":
        return config | {
            "architectures": ["GPTNeoXForCausalLM"],
            "hidden_size": kv_heads * group * head_dim,
            "hidden_act": "gelu",
            "layer_norm_eps": 1e-5,
            "rotary_pct": turn(0.25, 0.5, 1.0),
            "rotary_emb_base": pick(rng, 10000, 50000),
            "rope_scaling": scaling,
            "use_parallel_residual": turn(True, False, every=3),
        }
    config |= {"num_key_value_heads": kv_heads, "head_dim": head_dim, "rms_norm_eps": pick(rng, 1e-6, 1e-5)}
    if family == "gemma3_text":
        layers = int(rng.integers(3, 7))
        return config | {
            "architectures": ["Gemma3ForCausalLM"],
            "num_hidden_layers": layers,
            "layer_types": [pick(rng, "sliding_attention", "full_attention") for _ in range(layers)],
            "hidden_activation": "gelu_pytorch_tanh",
            "query_pre_attn_scalar": pick(rng, head_dim, head_dim + 9),
            "sliding_window": int(rng.integers(5, 100)),
            "rope_theta": 1e6,
            "rope_local_base_freq": 1e4,
            "rope_scaling": scaling,
        }
    if family == "qwen3":
        return config | {
            "architectures": ["Qwen3ForCausalLM"],
            "hidden_act": "silu",
            "attention_bias": False,
            "use_sliding_window": False,
            "rope_theta": 1000000,
            "rope_scaling": scaling,
        }
    if family == "qwen2":
        return shared_width(config) | {
            "architectures": ["Qwen2ForCausalLM"],
            "hidden_act": "silu",
            "use_mrope": False,
            "use_sliding_window": False,
            "rope_theta": 1000000.0,
            "rope_scaling": scaling,
            "sliding_window": 32768,
        }
    if family == "mistral":
        return config | {
            "architectures": ["MistralForCausalLM"],
            "hidden_act": "silu",
            "rope_theta": pick(rng, 10000.0, 1000000.0),
            "sliding_window": turn(int(rng.integers(5, 100)), 4096, None),
        }
    if family == "phi3":
        # All dimensions are rotated, or a part of them. longrope is the one for texts of up to 2304 tokens.
        dims = int(head_dim * turn(1.0, 0.75)) // 2
        longrope = {"type": "longrope", "long_factor": rng.uniform(2, 9, dims).tolist()}
        longrope["short_factor"] = rng.uniform(1, 3, dims).tolist()
        return shared_width(config) | {
            "architectures": ["Phi3ForCausalLM"],
            "auto_map": {"AutoConfig": "configuration_phi3.Phi3Config"},
            "hidden_act": "silu",
            "max_position_embeddings": POSITIONS * turn(1, 8, every=2),
            "original_max_position_embeddings": POSITIONS,
            "pad_token_id": None,
            "partial_rotary_factor": turn(1.0, 0.75),
            "rope_theta": 10000.0,
            "rope_scaling": turn(None, longrope, every=2),
            "sliding_window": turn(int(rng.integers(5, 100)), None),
            "tie_word_embeddings": turn(True, False, every=3),
        }
    if family == "olmo2":
        return shared_width(config) | {
            "architectures": ["Olmo2ForCausalLM"],
            "hidden_act": "silu",
            "attention_bias": False,
            "rope_theta": pick(rng, 10000.0, 500000.0),
            "rope_scaling": scaling and {"type": "linear", "factor": scaling["factor"]},
        }
    llama3 = {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 128,
    }
    return config | {
        "architectures": ["LlamaForCausalLM"],
        "hidden_act": "silu",
        "rope_theta": pick(rng, 10000.0, 500000.0),
        "rope_scaling": turn(None, linear, llama3),
    }


def shared_width(config: dict) -> dict:
    """The config keys of families whose heads share the width."""
    dim = config["head_dim"]
    return {k: v for k, v in config.items() if k != "head_dim"} | {"hidden_size": config["num_attention_heads"] * dim}


def shapes_of(config: dict) -> dict[str, tuple[int, ...]]:
    """The tensors of a model by Hugging Face name, taken from its modelling code."""
    if config["model_type"] in ("gpt2", "progen"):
        return (gpt2_shapes if config["model_type"] == "gpt2" else progen_shapes)(config)
    width, hidden, rows = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    table = {}
    if config["model_type"] == "gpt_neox":
        for i in range(config["num_hidden_layers"]):
            p = f"gpt_neox.layers.{i}."
            for name, out, into in (
                ("attention.query_key_value", 3 * width, width),
                ("attention.dense", width, width),
                ("mlp.dense_h_to_4h", hidden, width),
                ("mlp.dense_4h_to_h", width, hidden),
            ):
                table |= {f"{p}{name}.weight": (out, into), f"{p}{name}.bias": (out,)}
            for name in ("input_layernorm", "post_attention_layernorm"):
                table |= {f"{p}{name}.weight": (width,), f"{p}{name}.bias": (width,)}
        final = "gpt_neox.final_layer_norm"
        table |= {"gpt_neox.embed_in.weight": (rows, width), f"{final}.weight": (width,), f"{final}.bias": (width,)}
        return table if config["tie_word_embeddings"] else table | {"embed_out.weight": (rows, width)}
    dim = config.get("head_dim", width // config["num_attention_heads"])
    q, kv = config["num_attention_heads"] * dim, config["num_key_value_heads"] * dim
    norms = {"input_layernorm": width, "post_attention_layernorm": width}
    if config["model_type"] in ("qwen3", "gemma3_text"):
        norms |= {"self_attn.q_norm": dim, "self_attn.k_norm": dim}
    if config["model_type"] == "olmo2":
        norms = {"post_attention_layernorm": width, "post_feedforward_layernorm": width}
        norms |= {"self_attn.q_norm": q, "self_attn.k_norm": kv}
    if config["model_type"] == "gemma3_text":
        norms |= {"pre_feedforward_layernorm": width, "post_feedforward_layernorm": width}
    for i in range(config["num_hidden_layers"]):
        p = f"model.layers.{i}."
        if config["model_type"] == "phi3":
            table |= {
                f"{p}self_attn.qkv_proj.weight": (q + 2 * kv, width),
                f"{p}self_attn.o_proj.weight": (width, q),
                f"{p}mlp.gate_up_proj.weight": (2 * hidden, width),
                f"{p}mlp.down_proj.weight": (width, hidden),
            } | {f"{p}{name}.weight": (size,) for name, size in norms.items()}
            continue
        table |= {
            f"{p}self_attn.q_proj.weight": (q, width),
            f"{p}self_attn.k_proj.weight": (kv, width),
            f"{p}self_attn.v_proj.weight": (kv, width),
            f"{p}self_attn.o_proj.weight": (width, q),
            f"{p}mlp.gate_proj.weight": (hidden, width),
            f"{p}mlp.up_proj.weight": (hidden, width),
            f"{p}mlp.down_proj.weight": (width, hidden),
        } | {f"{p}{name}.weight": (size,) for name, size in norms.items()}
        if config["model_type"] == "qwen2":
            table |= {f"{p}self_attn.{name}_proj.bias": (size,) for name, size in (("q", q), ("k", kv), ("v", kv))}
    table |= {"model.embed_tokens.weight": (rows, width), "model.norm.weight": (width,)}
    return table if config["tie_word_embeddings"] else table | {"lm_head.weight": (rows, width)}


def gpt2_shapes(config: dict) -> dict[str, tuple[int, ...]]:
    """GPT-2 stores its matrices as [in, out]."""
    width, rows, p = config["n_embd"], config["vocab_size"], "transformer."
    hidden = config["n_inner"] or 4 * width
    table = {f"{p}wte.weight": (rows, width), f"{p}wpe.weight": (config["n_positions"], width)}
    for i in range(config["n_layer"]):
        for name, into, out in (
            ("attn.c_attn", width, 3 * width), ("attn.c_proj", width, width),
            ("mlp.c_fc", width, hidden), ("mlp.c_proj", hidden, width),
        ):
            table |= {f"{p}h.{i}.{name}.weight": (into, out), f"{p}h.{i}.{name}.bias": (out,)}
    for norm in [f"h.{i}.ln_{n}" for i in range(config["n_layer"]) for n in (1, 2)] + ["ln_f"]:
        table |= {f"{p}{norm}.weight": (width,), f"{p}{norm}.bias": (width,)}
    return table if config["tie_word_embeddings"] else table | {"lm_head.weight": (rows, width)}


def progen_shapes(config: dict) -> dict[str, tuple[int, ...]]:
    """ProGen2 has no biases in attention, but its output matrix has one."""
    width, rows, p = config["n_embd"], config["vocab_size"], "transformer."
    hidden = config["n_inner"] or 4 * width
    table = {f"{p}wte.weight": (rows, width), "lm_head.weight": (rows, width), "lm_head.bias": (rows,)}
    for i in range(config["n_layer"]):
        table |= {
            f"{p}h.{i}.attn.qkv_proj.weight": (3 * width, width),
            f"{p}h.{i}.attn.out_proj.weight": (width, width),
            f"{p}h.{i}.mlp.fc_in.weight": (hidden, width),
            f"{p}h.{i}.mlp.fc_in.bias": (hidden,),
            f"{p}h.{i}.mlp.fc_out.weight": (width, hidden),
            f"{p}h.{i}.mlp.fc_out.bias": (width,),
        }
    for norm in [f"h.{i}.ln_1" for i in range(config["n_layer"])] + ["ln_f"]:
        table |= {f"{p}{norm}.weight": (width,), f"{p}{norm}.bias": (width,)}
    return table


def draw_weights(config: dict, seed: int) -> dict[str, np.ndarray]:
    """Random weights, float32."""
    rng = np.random.default_rng([seed, FAMILIES.index(config["model_type"]), 1])
    gemma = config["model_type"] == "gemma3_text"
    table = {}
    for name, shape in shapes_of(config).items():
        if name.endswith(".bias"):
            array = rng.normal(0, 0.2, shape)
        elif len(shape) == 1:
            # Gemma's norms multiply by one plus the stored value.
            array = rng.uniform(0.5, 1.5, shape) - gemma
        elif "wte" in name or "wpe" in name:
            array = rng.normal(0, 0.7 if "wte" in name else 0.3, shape)
        elif "embed_tokens" in name or "embed_in" in name:
            array = rng.normal(0, shape[1] ** -0.5 if gemma else 0.7, shape)
        elif "lm_head" in name or "embed_out" in name:
            array = rng.normal(0, 3 * shape[1] ** -0.5, shape)
        else:
            array = rng.normal(0, 1.2 * shape[1] ** -0.5, shape)
        table[name] = array.astype(np.float32)
    return table


def matrix_names(family: str) -> tuple[str, str]:
    """The names of the embedding and the output matrix."""
    return MATRICES.get(family, ("model.embed_tokens.weight", "lm_head.weight"))


def write_safetensors(path: Path, tensors: dict[str, np.ndarray]) -> None:
    """Writes the format that safetensors_file.py reads, with independent code."""
    header, offset = {}, 0
    for name, array in tensors.items():
        end = offset + array.nbytes
        header[name] = {"dtype": DTYPES[array.dtype], "shape": list(array.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in tensors.values():
            file.write(np.ascontiguousarray(array).view(np.uint8).data)


def tokenizer_json(begins: bool) -> dict:
    """A byte-level BPE tokenizer with one token for each digit. If `begins`, it puts BEGIN before every text."""
    special = [
        {"id": TOKENS.index(token), "content": token, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": True}
        for token in (END, BEGIN)
    ]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    template = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": BEGIN, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {BEGIN: {"id": BEGIN, "ids": [TOKENS.index(BEGIN)], "tokens": [BEGIN]}},
    }
    digits = {"type": "Digits", "individual_digits": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special,
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [digits, byte_level]},
        "post_processor": template if begins else None,
        "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": {token: id for id, token in enumerate(TOKENS)}, "merges": [["A", "T"], ["G", "C"]]},
    }


def write_folder(folder: Path, config: dict, tensors: dict[str, np.ndarray], shards: int = 1) -> Path:
    """Writes a Hugging Face folder. llama's first token is set by tokenizer_config.json, gemma's by its tokenizer."""
    folder.mkdir()
    begins = config["model_type"] == "gemma3_text"
    words = {"bos_token": BEGIN, "eos_token": END, "tokenizer_class": "PreTrainedTokenizerFast"}
    if config["model_type"] == "llama":
        words |= {"tokenizer_class": "LlamaTokenizerFast", "add_bos_token": True}
    for name, table in (
        ("config.json", config), ("tokenizer.json", tokenizer_json(begins)), ("tokenizer_config.json", words),
    ):
        (folder / name).write_text(json.dumps(table))
    if shards == 1:
        write_safetensors(folder / "model.safetensors", tensors)
        return folder
    where = {}
    for shard in range(shards):
        name = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        part = dict(list(tensors.items())[shard::shards])
        write_safetensors(folder / name, part)
        where |= dict.fromkeys(part, name)
    index = {"metadata": {"total_size": sum(array.nbytes for array in tensors.values())}, "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def write_seeded(folder: Path, family: str, seed: int, shards: int = 1) -> dict:
    """Draws and writes a model. Returns its config."""
    config = draw_config(family, seed)
    write_folder(folder, config, draw_weights(config, seed), shards)
    return config
