"""One symbol, one token: maps symbols to tokens and tokens to texts, for engines that hand tokens to a model.

`infer`'s own engine does the same (src/predictor/onnx/folder/vocabulary.rs). Each symbol is looked up alone, so
letters never merge. Its token is accepted only if it decodes to exactly that symbol.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from protocol import EngineError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

FOREIGN = "\N{REPLACEMENT CHARACTER}"


@dataclass
class Symbols:
    """The symbols and tokens of a tokenizer. The model knows only ids below `size`."""

    tokenizer: "Tokenizer"
    size: int
    _ids: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Padding would add tokens after a single character; truncation would remove tokens.
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()

    def text(self, token: int) -> str:
        """A token's text inside a line. Special tokens have no text."""
        if self.tokenizer.id_to_token(token) is None:
            return FOREIGN
        once = self.tokenizer.decode([token])
        if self.tokenizer.decoder is None:
            # Such a tokenizer puts a blank between tokens.
            return once
        # Decoders like SentencePiece's drop a leading blank, so decode two copies: the second adds the full text.
        return self.tokenizer.decode([token, token]).removeprefix(once)

    def id(self, symbol: str) -> int:
        """The single token for a symbol."""
        if symbol not in self._ids:
            found = (i for i in self._candidates(symbol) if i < self.size and self.text(i) == symbol)
            token = next(found, None)
            if token is None:
                raise EngineError(f"symbol {symbol!r} is not one token of this model")
            self._ids[symbol] = token
        return self._ids[symbol]

    def _candidates(self, symbol: str) -> list[int]:
        """Tokens that may stand for the symbol, the tokenizer's own choice first."""
        alone = self.tokenizer.encode(symbol, add_special_tokens=False).ids
        raw = symbol.encode()
        spellings = [symbol, "".join(map(byte_level, raw))]
        spellings += ["\u2581"] if symbol == " " else []
        spellings += [f"<0x{raw[0]:02X}>"] if len(raw) == 1 else []
        spelled = map(self.tokenizer.token_to_id, spellings)
        return (alone if len(alone) == 1 else []) + [token for token in spelled if token is not None]

    def leading(self, bos: str, bos_id: int | None) -> list[int]:
        """The tokens before a prompt. `auto` means those that the tokenizer adds by itself."""
        if bos == "always":
            if bos_id is None:
                raise EngineError("--bos always: this model has no beginning-of-sequence token")
            return [bos_id]
        if bos == "never":
            return []
        whole = self.tokenizer.encode("0")
        special = whole.special_tokens_mask
        return whole.ids[: special.index(0) if 0 in special else len(special)]

    def words(self, leading: list[int]) -> str:
        """The tokens before each prompt, as text for the user."""
        return f"{[self.tokenizer.id_to_token(i) for i in leading] if leading else 'nothing'} before each prompt"


def byte_level(byte: int) -> str:
    """How byte-level vocabularies spell a byte: printable Latin-1 as it is, the others from U+0100 on in their order
    (GPT-2's `bytes_to_unicode`)."""
    hidden = [*range(0x21), *range(0x7F, 0xA1), 0xAD]
    return chr(0x100 + hidden.index(byte)) if byte in hidden else chr(byte)
