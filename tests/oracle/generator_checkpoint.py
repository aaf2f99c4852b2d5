"""Make folders in GENERator's published layout, with random weights.

The keys of config.json and tokenizer_config.json and the lines of vocab.txt are those of the published folders
(eukaryote, 1.2B and 3B), as third parties have written them down. The sizes are drawn.
"""

import itertools
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from seeded_models import draw_config, draw_weights, write_safetensors  # noqa: E402

SPECIAL = (
    "<oov> <s> </s> <pad> <mask> <bog> <eog> <bok> <eok> <+> <-> <cds> <pseudo> <tRNA> <rRNA> <ncRNA> <miscRNA> <mam> "
    "<vrt> <inv> <pln> <fng> <prt> <arc> <bct> <mit> <plt> <plm> <vir> <sp0> <sp1> <sp2>"
).split()
WORDS = ["".join(bases) for bases in itertools.product("ATCG", repeat=6)]
IDS = {token: id for id, token in enumerate(SPECIAL + WORDS)}
CODE = {"AutoModelForCausalLM": "modeling_generator.GENERatorForCausalLM"}
TOKENIZER = {
    "add_bos_token": True,
    "add_eos_token": False,
    "auto_map": {"AutoTokenizer": ["tokenizer.DNAKmerTokenizer", None]},
    "bos_token": "<s>",
    "clean_up_tokenization_spaces": False,
    "eos_token": "</s>",
    "extra_special_tokens": {},
    "k": 6,
    "mask_token": "<mask>",
    "model_max_length": 1000000000000000019884624838656,
    "pad_token": "<pad>",
    "tokenizer_class": "DNAKmerTokenizer",
    "unk_token": "<oov>",
}


def drawn(seed: int) -> dict:
    """A drawn config.json: a llama's, without the keys that the published files lack."""
    config = draw_config("llama", seed)
    sizes = ("hidden_size", "intermediate_size", "num_attention_heads", "num_hidden_layers", "num_key_value_heads")
    return {key: config[key] for key in sizes} | {
        "architectures": ["GENERatorForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "auto_map": CODE,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "hidden_size": 16 * config["num_attention_heads"],
        "initializer_range": 0.02,
        "max_position_embeddings": 16384,
        "mlp_bias": False,
        "model_type": "llama",
        "pretraining_tp": 1,
        "rms_norm_eps": 1e-05,
        "rope_scaling": None,
        "rope_theta": 500000.0,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "transformers_version": "4.44.0",
        "use_cache": True,
        "vocab_size": len(IDS),
    }


def write(folder: Path, config: dict, seed: int, words: dict | None = None, lines: list[str] | None = None) -> Path:
    """Writes the folder. `words` go into tokenizer_config.json. `lines` replace the lines of vocab.txt."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer_config.json").write_text(json.dumps(TOKENIZER | (words or {})))
    lines = lines or [f"{token} {id}" for token, id in IDS.items()]
    (folder / "vocab.txt").write_text("".join(f"{line}\n" for line in lines))
    write_safetensors(folder / "model.safetensors", draw_weights(config, seed))
    return folder


def encoded(text: str) -> list[int]:
    """The token ids of a text of special tokens and bases, as the published tokenizer reads it.

    Bases are cut into 6-mers from the left. A piece that is no 6-mer becomes <oov>.
    """
    ids = [IDS["<s>"]]
    while text:
        special = next((token for token in SPECIAL if text.startswith(token)), None)
        if special:
            ids, text = [*ids, IDS[special]], text[len(special) :]
            continue
        bases = text.partition("<")[0]
        ids += [IDS.get(bases[i : i + 6], IDS["<oov>"]) for i in range(0, len(bases), 6)]
        text = text[len(bases) :]
    return ids
