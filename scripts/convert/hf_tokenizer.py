"""The tokenizer of a Hugging Face folder: tokenizer.json, with the same changes that transformers makes on loading.

`infer --bos auto` puts the same token before a prompt as tokenizer.json's post-processor puts before a text. Some
tokenizer classes of transformers replace that post-processor on loading, as `add_bos_token` in tokenizer_config.json
says. This module does the same, so that prompts begin as with the model's own tokenizer. `infer` also does this, for
folders that were not converted (src/predictor/onnx/folder/vocabulary.rs). Test cases for both are in
tests/fixtures/models/special-tokens.json.
"""

import kmer_tokenizer
from errors import ConvertError
from hf_folder import HfFolder

# The classes of transformers 4.57 whose `update_post_processor` runs on loading, and their defaults for add_bos_token and
# bos_token.
REPLACING = {
    "LlamaTokenizer": (True, "<s>"),
    "CodeLlamaTokenizer": (True, "<s>"),
    "GemmaTokenizer": (True, "<bos>"),
    "CohereTokenizer": (True, "<BOS_TOKEN>"),
    "GPTNeoXTokenizer": (False, "<|endoftext|>"),
}
ENDS = "a tokenizer that ends each text is not supported"


class HfTokenizer:
    """The tokenizer and the special tokens of a folder. The constructor checks them."""

    def __init__(self, folder: HfFolder, vocabulary: int):
        """`vocabulary` is the number of token ids that the model knows."""
        self.path = folder.path / "tokenizer.json"
        self._words = folder.optional_table("tokenizer_config.json") or {}
        # Whether the tokens are words of bases.
        self.is_genomic = self._words.get("tokenizer_class") == kmer_tokenizer.CLASS
        self._json = self._of_words() if self.is_genomic else folder.table("tokenizer.json")
        self._ids = self._vocabulary()
        largest = max(self._ids.values(), default=-1)
        if largest >= vocabulary:
            raise ConvertError(f"{self.path}: token id {largest}: the model has {vocabulary} (vocab_size)")
        bos, eos = folder.config.tokens("bos_token_id"), folder.config.tokens("eos_token_id")
        # If this file exists, transformers takes the end tokens from it alone.
        generation = folder.optional_table("generation_config.json")
        if generation is not None:
            own = generation.get("eos_token_id")
            eos = own if isinstance(own, list) else [] if own is None else [own]
        for key, id in [("bos_token_id", id) for id in bos] + [("eos_token_id", id) for id in eos]:
            if not isinstance(id, int) or not 0 <= id < vocabulary:
                raise ConvertError(f"{folder.path}: {key} {id!r:.40} is not one of {vocabulary} tokens")
        self._class = (self._words.get("tokenizer_class") or folder.config.get("tokenizer_class") or "").removesuffix("Fast")
        self.bos = bos[0] if bos else None
        self.eos = eos[0] if len(eos) == 1 else eos or None

    def _of_words(self) -> dict:
        """tokenizer.json for a folder that has tokenizer code instead of this file."""
        k, where = self._words.get("k"), self.path.with_name("tokenizer_config.json")
        if not isinstance(k, int) or not 1 <= k <= 8:
            raise ConvertError(f"{where}: k: expected 1 to 8 bases, found {k!r:.40}")
        if self._words.get("add_eos_token"):
            raise ConvertError(f"{where}: add_eos_token: {ENDS}")
        begins = self._words.get("add_bos_token", True)
        made = kmer_tokenizer.kmer_json(k, self.path.with_name("vocab.txt"))
        return made | {"post_processor": bos_template("<s>", 1) if begins else None}

    def _vocabulary(self) -> dict[str, int]:
        """The id of every token, by its text."""
        model = self._json.get("model")
        if not isinstance(model, dict) or "vocab" not in model:
            raise ConvertError(f"{self.path}: expected a model with a vocab, as Hugging Face's `tokenizers` writes it")
        vocab = model["vocab"]
        # Unigram models have a list of [token, score] pairs.
        ids = dict(vocab) if isinstance(vocab, dict) else {pair[0]: id for id, pair in enumerate(vocab)}
        return ids | {token["content"]: token["id"] for token in self._json.get("added_tokens") or []}

    def json(self) -> dict:
        """tokenizer.json for the model folder."""
        if self._class not in REPLACING:
            if self._ends_texts():
                raise ConvertError(f"{self.path}: post_processor: {ENDS}")
            return self._json
        adds, begin = REPLACING[self._class]
        if self._words.get("add_eos_token"):
            raise ConvertError(f"{self.path.with_name('tokenizer_config.json')}: add_eos_token: {ENDS}")
        wanted = self._words.get("add_bos_token", adds)
        return self._json | {"post_processor": self._begins_with(begin) if wanted else None}

    def _ends_texts(self) -> bool:
        """Whether tokenizer.json adds a token at the end of every text."""
        whole = self._json.get("post_processor") or {}
        for step in whole.get("processors", [whole]):
            if step.get("type") in ("BertProcessing", "RobertaProcessing"):
                return True
            if step.get("type") == "TemplateProcessing" and "SpecialToken" in step["single"][-1]:
                return True
        return False

    def _begins_with(self, token: str) -> dict:
        """The post-processor that puts bos_token before texts; `token` is the default of the tokenizer class."""
        token = self._words.get("bos_token", token)
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
