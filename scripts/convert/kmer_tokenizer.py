"""The tokenizer of GENERator: words of k bases, with the ids of the Python code in its folders."""

import itertools
from pathlib import Path

from errors import ConvertError
from word_level import word_level_json

# The name of its class, and its special tokens in the order of their ids.
CLASS = "DNAKmerTokenizer"
SPECIAL = """
    <oov> <s> </s> <pad> <mask> <bog> <eog> <bok> <eok> <+> <-> <cds> <pseudo> <tRNA> <rRNA> <ncRNA> <miscRNA> <mam> <vrt>
    <inv> <pln> <fng> <prt> <arc> <bct> <mit> <plt> <plm> <vir> <sp0> <sp1> <sp2>
""".split()
# The bases, in the order in which words are numbered.
BASES = "ATCG"


def kmer_json(k: int, listed: Path) -> dict:
    """tokenizer.json: a run of capitals is cut from its start into words of length k; all other text is <oov>.

    `listed` is the file in which the code lists its tokens and ids, one per line. It may be missing.
    """
    vocabulary = {token: id for id, token in enumerate((*SPECIAL, *map("".join, itertools.product(BASES, repeat=k))))}
    if listed.is_file():
        lines = listed.read_text(encoding="utf-8", errors="replace").splitlines()
        for number, (found, pair) in enumerate(itertools.zip_longest(lines, vocabulary.items()), 1):
            expected = None if pair is None else " ".join(map(str, pair))
            if found != expected:
                raise ConvertError(f"{listed}:{number}: expected {expected or 'the end'}, found {found!r:.40}")
    special = {token: vocabulary[token] for token in SPECIAL}
    return word_level_json(vocabulary, special, f"[A-Z]{{{k}}}|[A-Z]+", SPECIAL[0])
