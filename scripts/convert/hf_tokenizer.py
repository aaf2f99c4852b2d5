"""The tokenizer of a Hugging Face folder: tokenizer.json as it is, but for what transformers itself changes in it.

`infer --bos auto` puts before a prompt what tokenizer.json's post-processor puts before a text. Some of transformers'
tokenizer classes replace that post-processor when they load, by `add_bos_token` of tokenizer_config.json; so does
this module, or the prompt would begin otherwise than the model's own tokenizer begins it.
"""

from errors import ConvertError
from hf_folder import HfFolder

# The classes of transformers 4.57 whose `update_post_processor` runs on loading, and their default for add_bos_token.
REPLACING = {"LlamaTokenizer": True, "CodeLlamaTokenizer": True, "GemmaTokenizer": True, "GPTNeoXTokenizer": False}


class HfTokenizer:
    """The tokenizer and the special tokens of a folder, checked."""

    def __init__(self, folder: HfFolder, vocabulary: int):
        """`vocabulary` is the number of token ids that the model knows."""
        self.path = folder.path / "tokenizer.json"
        self._json = folder.table("tokenizer.json")
        self._words = folder.optional_table("tokenizer_config.json") or {}
        self._ids = self._vocabulary()
        largest = max(self._ids.values(), default=-1)
        if largest >= vocabulary:
            raise ConvertError(f"{self.path}: token id {largest}: the model has {vocabulary} (vocab_size)")
        # transformers generates by generation_config.json where there is one.
        generation = folder.optional_table("generation_config.json") or {}
        bos, eos = folder.config.tokens("bos_token_id"), folder.config.tokens("eos_token_id")
        own = generation.get("eos_token_id")
        if own is not None:
            eos = own if isinstance(own, list) else [own]
        for key, id in [("bos_token_id", id) for id in bos] + [("eos_token_id", id) for id in eos]:
            if not isinstance(id, int) or not 0 <= id < vocabulary:
                raise ConvertError(f"{folder.path}: {key} {id!r:.40} is not one of {vocabulary} tokens")
        self.bos = bos[0] if bos else None
        self.eos = eos[0] if len(eos) == 1 else eos or None

    def _vocabulary(self) -> dict[str, int]:
        """Every token by its text."""
        model = self._json.get("model")
        if not isinstance(model, dict) or "vocab" not in model:
            raise ConvertError(f"{self.path}: expected a model with a vocab, as Hugging Face's `tokenizers` writes it")
        vocab = model["vocab"]
        # Unigram models list pairs of token and score.
        ids = dict(vocab) if isinstance(vocab, dict) else {pair[0]: id for id, pair in enumerate(vocab)}
        return ids | {token["content"]: token["id"] for token in self._json.get("added_tokens") or []}

    def json(self) -> dict:
        """tokenizer.json for the model folder."""
        name = (self._words.get("tokenizer_class") or "").removesuffix("Fast")
        if name not in REPLACING:
            return self._json
        if self._words.get("add_eos_token"):
            raise ConvertError(f"{self.path.with_name('tokenizer_config.json')}: add_eos_token: not supported")
        wanted = self._words.get("add_bos_token", REPLACING[name])
        return self._json | {"post_processor": self._begins_with_bos() if wanted else None}

    def _begins_with_bos(self) -> dict:
        token = self._words.get("bos_token")
        token = token["content"] if isinstance(token, dict) else token
        if token not in self._ids:
            where = self.path.with_name("tokenizer_config.json")
            raise ConvertError(f"{where}: add_bos_token: bos_token {token!r} is not in the vocabulary")
        return bos_template(token, self._ids[token])


def bos_template(token: str, id: int) -> dict:
    """The post-processor that puts one token before every text."""
    bos = lambda segment: {"SpecialToken": {"id": token, "type_id": segment}}
    text = lambda name, segment: {"Sequence": {"id": name, "type_id": segment}}
    return {
        "type": "TemplateProcessing",
        "single": [bos(0), text("A", 0)],
        "pair": [bos(0), text("A", 0), bos(1), text("B", 1)],
        "special_tokens": {token: {"id": token, "ids": [id], "tokens": [token]}},
    }
