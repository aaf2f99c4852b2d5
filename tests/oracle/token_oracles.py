"""Build reference tokenizers from a GGUF file's vocabulary, without `tokenizers` and scripts/convert.

sentencepiece (Google) is the reference for Gemma, tiktoken (OpenAI) for SmolLM2. transformers' own reading of GGUF
vocabularies cannot be a reference: transformers takes Gemma's BPE for a Unigram model, and forgets that SmolLM2 splits
digits. make_model_fixtures.py still counts how often transformers agrees.
"""

import codecs
import contextlib
import io
import random
import re

import gguf
import tiktoken
from sentencepiece import SentencePieceProcessor, sentencepiece_model_pb2

# The module `this` prints a text when it is imported.
with contextlib.redirect_stdout(io.StringIO()):
    import this

UNKNOWN, USER_DEFINED = 2, 4
SPACE = "\u2581"
# GPT-2's split pattern, as tiktoken writes it.
GPT2_SPLIT = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""


def zen() -> str:
    """The Zen of Python: an English text that every Python has."""
    return codecs.decode(this.s, "rot13")


def strings(seed: int, fuzz: int) -> list[str]:
    """Texts like those of experiments, texts in many languages and forms, and random texts."""
    fixed = [
        "0110>1001\n1100>0011\n0001>",
        "82288228282882288822882882288",
        "ACGTACGTTTGACA",
        "1,2,1,1,2,2,1,2,2,1,",
        "x = 3.14159e-10; y = [1, 2, 3]",
        "  two spaces,   three, \t a tab,\t\ttwo\n\n\nthree breaks\r\n",
        " " * 31 + "a" + " " * 33 + "b",
        "\n" * 40 + "x",
        "<table><tr><td>cell</td></tr></table>",
        "def f(x):\n    return {'a': x[::-1]}\n\n\n# done\n",
        "I'll we've they're don't it's O'Neill",
        "Zürich, naïve café, Łódź, Ελληνικά, Русский, עברית, العربية, हिन्दी, ไทย, 日本語, 한국어",
        "😀👩‍👩‍👧‍👦🏳️‍🌈 \u0301 \ufeff\u200b\u00a0",
        "½ Ⅻ ² 三 ١٢٣ 12345 1 2  3",
        "\u0000\u0001\u007f\u0080\U0010ffff",
        "<0x0A> is not a byte",
        zen(),
    ]
    rng = random.Random(seed)
    alphabets = [
        "01 >\n,",
        "ACGT \n",
        "abcdefghij  ABC'-_.\n\t0123",
        "".join(map(chr, range(0x20, 0x7F))),
        "".join(chr(c) for c in range(0xA0, 0x800) if chr(c).isprintable()) + "    ",
        "的一是不了人我在有他这 \u3000。、ひらがなカタカナ한글" + "".join(map(chr, range(0x1F300, 0x1F400))),
    ]
    words = zen().split()
    for i in range(fuzz):
        if i % 7 == 6:
            fixed.append((" " * rng.randint(1, 3)).join(rng.choices(words, k=rng.randint(1, 30))))
        else:
            fixed.append("".join(rng.choices(alphabets[i % 7], k=rng.randint(1, 60))))
    return fixed


def sentencepiece_of(reader: gguf.GGUFReader):
    """Gemma's tokenizer in sentencepiece: text -> ids, without BOS."""
    get = lambda key: reader.fields[f"tokenizer.ggml.{key}"].contents()
    proto = sentencepiece_model_pb2.ModelProto()
    for token, score, kind in zip(get("tokens"), get("scores"), get("token_type")):
        # In user-defined tokens, llama.cpp's converter writes spaces as spaces, not as U+2581.
        piece = token.replace(" ", SPACE) if kind == USER_DEFINED else token
        proto.pieces.add(piece=piece, score=score, type=kind)
    unknown = get("unknown_token_id")
    proto.pieces[unknown].type = UNKNOWN
    spec = proto.trainer_spec
    spec.model_type, spec.byte_fallback, spec.vocab_size = spec.BPE, True, len(proto.pieces)
    spec.unk_id, spec.bos_id, spec.eos_id, spec.pad_id = unknown, get("bos_token_id"), get("eos_token_id"), -1
    spec.unk_piece, spec.bos_piece = proto.pieces[unknown].piece, proto.pieces[spec.bos_id].piece
    spec.eos_piece = proto.pieces[spec.eos_id].piece
    rules = proto.normalizer_spec
    rules.name, rules.add_dummy_prefix, rules.remove_extra_whitespaces = "identity", False, False
    return SentencePieceProcessor(model_proto=proto.SerializeToString()).encode


def byte_of() -> dict[str, int]:
    """GPT-2's byte alphabet: a printable byte is its own character, the other bytes are U+0100 and following."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in printable]
    return {chr(b): b for b in printable} | {chr(0x100 + i): b for i, b in enumerate(others)}


def tiktoken_of(reader: gguf.GGUFReader):
    """SmolLM2's tokenizer in tiktoken: text -> ids."""
    get = lambda key: reader.fields[f"tokenizer.ggml.{key}"].contents()
    bytes_of = byte_of()
    raw = lambda token: bytes(bytes_of[c] for c in token)
    ids = {token: i for i, token in enumerate(get("tokens"))}
    # tiktoken merges by the rank of the resulting token: single bytes first, then the merges in order. A byte that is
    # not in the vocabulary still needs a rank. Texts with such a byte are not compared.
    ranks = {bytes([b]): b for b in range(256)}
    made = [merge.replace(" ", "") for merge in get("merges")]
    ranks |= {raw(token): 256 + i for i, token in enumerate(made)}
    back = {256 + i: ids[token] for i, token in enumerate(made)}
    back |= {byte: ids.get(c) for c, byte in bytes_of.items()}
    encoding = tiktoken.Encoding("smollm2", pat_str=GPT2_SPLIT, mergeable_ranks=ranks, special_tokens={})

    def encode(text: str) -> list[int | None]:
        # Split off digits first, one by one. `isnumeric` on one character is the same as Rust's `char::is_numeric`.
        parts = re.split("(" + "|".join({re.escape(c) for c in text if c.isnumeric()} or {r"(?!)"}) + ")", text)
        return [back[i] for part in parts if part for i in encoding.encode_ordinary(part)]

    return encode
