"""What nanoGPT stores beside a model's weights: `model_args` in the checkpoint, and its characters in meta.pkl."""

from errors import ConvertError
from pt_file import PtFile

META = "meta.pkl"


class Characters:
    """A vocabulary of single characters, as nanoGPT's data/*_char/prepare.py writes it."""

    bos = eos = None

    def __init__(self, checkpoint: PtFile, vocabulary: int):
        """`vocabulary` is the number of token ids that the model knows."""
        meta = checkpoint.beside(META, "the characters of its vocabulary (other tokenizers are not supported)")
        self._ids = meta.get("stoi") if isinstance(meta, dict) else None
        is_one = lambda text, id: isinstance(text, str) and len(text) == 1 and type(id) is int and 0 <= id < vocabulary
        if not isinstance(self._ids, dict) or not all(is_one(*pair) for pair in self._ids.items()):
            path = checkpoint.path.with_name(META)
            raise ConvertError(f'{path}: expected "stoi", a table of characters and token ids below {vocabulary}')

    def json(self) -> dict:
        """tokenizer.json, in which every character is a token and there are no merges."""
        model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                 "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                 "vocab": self._ids, "merges": []}
        whole = dict.fromkeys(("truncation", "padding", "normalizer", "pre_tokenizer", "post_processor"))
        return {"version": "1.0", "added_tokens": [], **whole, "decoder": {"type": "Fuse"}, "model": model}
