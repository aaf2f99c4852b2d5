"""tokenizer.json, in the format of Hugging Face's `tokenizers`, from the vocabulary in a GGUF file.

Two kinds exist. `gpt2` is BPE over bytes; the file has the merges. `llama` is SentencePiece BPE with byte fallback;
the file has scores, from which the merges follow.
"""

from collections import Counter
from dataclasses import dataclass

from errors import ConvertError
from gguf_file import GgufFile
from hf_tokenizer import bos_template

# llama.cpp's default special tokens for SentencePiece vocabularies.
SENTENCEPIECE = {"unknown": 0, "bos": 1, "eos": 2}
# tokenizer.ggml.token_type, as in llama.cpp's llama_token_type.
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6
SPACE = "\u2581"

BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}


def _sequence(*steps: dict) -> dict:
    return {"type": "Sequence", "pretokenizers": list(steps)}


def _split(digits: str) -> dict:
    """The split of Qwen and Llama 3, which differ only in how many digits may form one word (`digits`)."""
    return _isolated(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+", digits)


def _cased(digits: str, end: str = "") -> dict:
    """A split that also cuts before capitals; `end` is a pattern that a word may end with."""
    upper, lower = (rf"[{case}\p{{Lm}}\p{{Lo}}\p{{M}}]" for case in (r"\p{Lu}\p{Lt}", r"\p{Ll}"))
    words = (rf"[^\r\n\p{{L}}\p{{N}}]?{word}{end}" for word in (f"{upper}*{lower}+", f"{upper}+{lower}*"))
    return _isolated("|".join(words), digits, "/")


def _isolated(words: str, digits: str, more: str = "") -> dict:
    """Separate words, digits, signs (with line breaks and `more` after them) and white space; then encode as bytes."""
    rest = rf" ?[^\s\p{{L}}\p{{N}}]+[\r\n{more}]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    pattern = {"Regex": f"{words}|{digits}|{rest}"}
    split = {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}
    return _sequence(split, BYTE_LEVEL | {"use_regex": False})


@dataclass(frozen=True)
class PreTokenizer:
    """The steps before the merges. `whole_words`: a word that is one token is never split. `adds_bos`: texts begin
    with BOS unless the file says otherwise."""

    steps: dict
    normalizer: dict | None = None
    whole_words: bool = False
    adds_bos: bool = False


# Keys: tokenizer.ggml.pre. SmolLM splits numbers into digits first. Qwen's and Llama 3's are from their tokenizer.json.
PRE_TOKENIZERS = {
    "gpt-2": PreTokenizer(BYTE_LEVEL),
    "smollm": PreTokenizer(_sequence({"type": "Digits", "individual_digits": True}, BYTE_LEVEL)),
    "qwen2": PreTokenizer(_split(r"\p{N}"), {"type": "NFC"}),
    "llama-bpe": PreTokenizer(_split(r"\p{N}{1,3}"), whole_words=True, adds_bos=True),
    # llama.cpp's name for the split of OLMo 2.
    "dbrx": PreTokenizer(_split(r"\p{N}{1,3}")),
    # tekken: Mistral's models since Nemo. gpt-4o: OpenAI's o200k, which Phi-4-mini uses.
    "tekken": PreTokenizer(_cased(r"\p{N}"), whole_words=True, adds_bos=True),
    "gpt-4o": PreTokenizer(_cased(r"\p{N}{1,3}", "(?i:'s|'t|'re|'ve|'m|'ll|'d)?")),
}


MISSING_PRE = (
    "missing, so that nobody knows how words are split (an old file): convert the Hugging Face folder instead, or say it "
    "with `gguf-new-metadata --pre-tokenizer NAME FILE.gguf NEW.gguf` (pip install gguf), NAME one of"
)


class GgufTokenizer:
    """The vocabulary of a GGUF file. The constructor checks it."""

    def __init__(self, source: GgufFile):
        self.source = source
        self.kind = source.text("tokenizer.ggml.model")
        self.tokens = source.array("tokenizer.ggml.tokens")
        self.types = source.array("tokenizer.ggml.token_type", [NORMAL] * len(self.tokens))
        if len(self.types) != len(self.tokens):
            self._refuse("token_type", f"{len(self.types)} types for {len(self.tokens)} tokens")
        # A text that several tokens share (such as `<unused>`) is left out; `infer` names it if a prompt needs it.
        times = Counter(self.tokens)
        self.ids = {token: id for id, token in enumerate(self.tokens) if times[token] == 1}
        self.bos = self._special("bos")
        # As in llama.cpp, the end of a turn or of a message also ends an answer.
        ends = [self._special(name) for name in ("eos", "eot", "eom")]
        ends = list(dict.fromkeys(id for id in ends if id is not None))
        self.eos = ends[0] if len(ends) == 1 else ends or None
        # llama.cpp's default: texts begin with BOS for SentencePiece vocabularies and for Llama 3's.
        self._pre = source.text("tokenizer.ggml.pre", "") if self.kind == "gpt2" else ""
        adds = self.kind == "llama" or self._pre in PRE_TOKENIZERS and PRE_TOKENIZERS[self._pre].adds_bos
        self.adds_bos = source.get("tokenizer.ggml.add_bos_token", adds)
        if self.adds_bos and self.bos is None:
            self._refuse("bos_token_id", "missing, but texts begin with it (add_bos_token)")
        if source.get("tokenizer.ggml.add_eos_token", False):
            self._refuse("add_eos_token", "a tokenizer that ends each text is not supported")

    def _refuse(self, key: str, why: str):
        raise ConvertError(f"{self.source.path}: metadata tokenizer.ggml.{key}: {why}")

    def _special(self, name: str) -> int | None:
        default = SENTENCEPIECE.get(name) if self.kind == "llama" else None
        id = self.source.get(f"tokenizer.ggml.{name}_token_id", default)
        if id is not None and not 0 <= id < len(self.tokens):
            self._refuse(f"{name}_token_id", f"{id} is not one of {len(self.tokens)} tokens")
        if id is not None and self.tokens[id] not in self.ids:
            self._refuse(f"{name}_token_id", f"{id} is {self.tokens[id]!r:.40}, and so is another token")
        return id

    def json(self) -> dict:
        """The complete tokenizer.json."""
        if self.kind == "gpt2":
            parts = self._byte_level()
        elif self.kind == "llama":
            parts = self._sentencepiece()
        else:
            self._refuse("model", f'expected "gpt2" or "llama", found "{self.kind}"')
        return {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": self._added(),
            **parts,
        }

    def _added(self) -> list[dict]:
        """Tokens that are matched in the raw text before all other steps: control and user-defined tokens.

        User-defined tokens (in Gemma: runs of line breaks or spaces, HTML tags) match longest first, as in
        SentencePiece.
        """
        return [
            {
                "id": id,
                "content": token,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": kind == CONTROL,
            }
            for id, (token, kind) in enumerate(zip(self.tokens, self.types))
            if kind in (CONTROL, USER_DEFINED) and token in self.ids
        ]

    def _post_processor(self) -> dict | None:
        return bos_template(self.tokens[self.bos], self.bos) if self.adds_bos else None

    def _byte_level(self) -> dict:
        known = ", ".join(sorted(PRE_TOKENIZERS))
        if not self._pre:
            self._refuse("pre", f"{MISSING_PRE} {known}")
        if self._pre not in PRE_TOKENIZERS:
            self._refuse("pre", f'expected one of {known}, found "{self._pre}"')
        pre = PRE_TOKENIZERS[self._pre]
        merges = []
        for index, merge in enumerate(self.source.array("tokenizer.ggml.merges")):
            left, _, right = merge.partition(" ")
            if left not in self.ids or right not in self.ids or left + right not in self.ids:
                self._refuse(f"merges[{index}]", f"{merge!r} joins or makes a token that is unknown or there twice")
            merges.append([left, right])
        return {
            "normalizer": pre.normalizer,
            "pre_tokenizer": pre.steps,
            "post_processor": self._post_processor(),
            "decoder": BYTE_LEVEL,
            "model": self._bpe(merges, whole_words=pre.whole_words),
        }

    def _sentencepiece(self) -> dict:
        # These steps are what transformers writes for a tokenizer that puts a space before each text.
        leads = self.source.get("tokenizer.ggml.add_space_prefix", True)
        first = [{"type": "Prepend", "prepend": SPACE}] if leads else []
        last = [{"type": "Strip", "content": " ", "start": 1, "stop": 0}] if leads else []
        scores = self.source.array("tokenizer.ggml.scores")
        if len(scores) != len(self.tokens):
            self._refuse("scores", f"{len(scores)} scores for {len(self.tokens)} tokens")
        for value in range(256):
            id = self.ids.get(f"<0x{value:02X}>")
            if id is None or self.types[id] != BYTE:
                self._refuse("tokens", f"no byte token <0x{value:02X}>")
        return {
            "normalizer": {
                "type": "Sequence",
                "normalizers": [*first, {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}],
            },
            "pre_tokenizer": None,
            "post_processor": self._post_processor(),
            "decoder": {
                "type": "Sequence",
                "decoders": [
                    {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
                    {"type": "ByteFallback"},
                    {"type": "Fuse"},
                    *last,
                ],
            },
            "model": self._bpe(self._merges(scores), self.tokens[self._special("unknown")]),
        }

    def _merges(self, scores: list[float]) -> list[list[str]]:
        """All pairs of pieces that join to a piece, best score first.

        SentencePiece joins the neighbours whose joined piece has the best score, so this is the order of merges. If
        several pairs give the same piece, their ids decide, as in transformers' converter.
        """
        normal = {token: id for token, id in self.ids.items() if self.types[id] == NORMAL}
        merges = []
        for token, id in normal.items():
            ways = [(token[:cut], token[cut:]) for cut in range(1, len(token))]
            ways = [(normal[left], normal[right]) for left, right in ways if left in normal and right in normal]
            merges += [(-scores[id], id, *way) for way in ways]
        return [[self.tokens[left], self.tokens[right]] for _, _, left, right in sorted(merges)]

    def _bpe(self, merges: list[list[str]], unknown: str | None = None, whole_words: bool = False) -> dict:
        return {
            "type": "BPE",
            "dropout": None,
            "unk_token": unknown,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": unknown is not None,
            "byte_fallback": unknown is not None,
            "ignore_merges": whole_words,
            "vocab": self.ids,
            "merges": merges,
        }
