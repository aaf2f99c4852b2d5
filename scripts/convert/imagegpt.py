"""The imagegpt architecture (Chen et al. 2020, Generative Pretraining from Pixels): GPT-2's, with colours for words.

Norms do not centre and have no biases, the activation is x sigmoid(1.702 x), the output matrix is never the embedding, and
there is one token more that is read than that is written: the one that begins an image.
"""

from functools import cached_property

from gpt2 import Gpt2
from hf_folder import HfFolder
from hf_tokenizer import bos_template
from onnx_writer import MICROSOFT, OnnxWriter
from weights import Weight
from word_level import word_level_json

# What begins an image, and the others by their number.
BEGIN, COLOUR = "<sos>", "c"


class ImageGpt(Gpt2):
    """An ImageGPT model."""

    architecture = "imagegpt"
    modality = "image"
    activation = "quick_gelu"
    tied = False
    unwritten = 1

    def tokenizer_of(self, folder: HfFolder) -> "Colours":
        return Colours(self.shape.vocabulary)

    @cached_property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: shape for name, shape in super()._shapes.items() if not name.endswith("norm.bias")}

    def _norm(self, name: str) -> tuple[Weight, ...]:
        return (self.weights(name),)

    def _activated(self, writer: OnnxWriter, x: str) -> str:
        # In bfloat16, CUDA's kernel rounds every step. Without an attribute, 1.702 is meant.
        y = writer.node("QuickGelu", writer.exact(x), domain=MICROSOFT)
        return y if writer.exact(x) == x else writer.node("Cast", y, to=writer.element)


class Colours:
    """A vocabulary of numbered colours, each a word: c000, c001 and on.

    What begins an image is put before a text by tokenizer.json alone: config.json names tokens that have a logit.
    """

    bos = eos = None

    def __init__(self, count: int):
        self._begin = count
        self._digits = len(str(count - 1))
        self._ids = {f"{COLOUR}{id:0{self._digits}}": id for id in range(count)}

    def json(self) -> dict:
        """tokenizer.json: a text of such words, cut at each."""
        begin = {BEGIN: self._begin}
        word = f"{COLOUR}[0-9]{{{self._digits}}}"
        return word_level_json(self._ids | begin, begin, word, "<unk>", bos_template(BEGIN, self._begin))
