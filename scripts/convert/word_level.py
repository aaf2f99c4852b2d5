"""Makes tokenizer.json for a vocabulary of whole words, without merges."""


def word_level_json(
    vocabulary: dict[str, int], special: dict[str, int], word: str, unknown: str, post_processor: dict | None = None
) -> dict:
    """tokenizer.json: a text is cut at each match of the regex `word`; words outside the vocabulary are `unknown`."""
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": id, "content": token, "special": True} | flags for token, id in special.items()],
        "normalizer": None,
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": word}, "behavior": "Isolated", "invert": False},
        "post_processor": post_processor,
        "decoder": {"type": "Fuse"},
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": unknown},
    }
