"""The two descriptions in a model folder: config.json for Hugging Face's world, card.json for Shotline."""

from importlib.metadata import version

from gguf_file import GgufFile
from tokenizer import Vocabulary

CONVERTER = "shotline scripts/convert 1"


def config(model, vocabulary: Vocabulary) -> dict:
    """config.json, under the names that transformers uses."""
    s = model.shape
    return {
        **model.config(),
        "vocab_size": s.vocabulary,
        "hidden_size": s.width,
        "intermediate_size": s.hidden,
        "num_hidden_layers": s.layers,
        "num_attention_heads": s.heads,
        "num_key_value_heads": s.kv_heads,
        "head_dim": s.head_dim,
        "max_position_embeddings": s.positions,
        "rms_norm_eps": s.epsilon,
        "bos_token_id": vocabulary.bos,
        "eos_token_id": vocabulary.eos,
        "tie_word_embeddings": not model.source.has("output.weight"),
        "torch_dtype": "float32",
    }


def card(model, name: str, modality: str) -> dict:
    """card.json: who the model is, in the words of Shotline's records."""
    source: GgufFile = model.source
    return {
        "name": name,
        "modality": modality,
        "params": source.parameters(),
        "architecture": source.architecture,
        "vocabulary": "tokenizer.json",
        "weights": "float32",
        "max_positions": model.shape.positions,
        "sources": [{"file": source.path.name, "sha256": source.sha256()}],
        "license": source.get("general.license"),
        "converter": f"{CONVERTER} (" + ", ".join(f"{p} {version(p)}" for p in ("gguf", "numpy", "onnx")) + ")",
    }
