"""The imagegpt architecture (Chen et al. 2020, Generative Pretraining from Pixels): GPT-2 with colours as tokens.

Norms do not centre and have no biases. The activation is x sigmoid(1.702 x). The output matrix is never the embedding.
One token can only be read, not predicted: the token that begins an image.
"""

from functools import cached_property

from gpt2 import Gpt2
from hf_folder import HfFolder
from hf_tokenizer import bos_template
from onnx_writer import MICROSOFT, OnnxWriter
from weights import Weight
from word_level import word_level_json

# The token that begins an image, and the prefix of the numbered colours.
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
        # In bfloat16, CUDA's kernel would round every step. The operator's default factor is 1.702.
        y = writer.node("QuickGelu", writer.exact(x), domain=MICROSOFT)
        return y if writer.exact(x) == x else writer.node("Cast", y, to=writer.element)


class Colours:
    """A vocabulary of numbered colours, each a word: c000, c001 and so on.

    Only tokenizer.json has the token that begins an image: config.json only names tokens that have a logit.
    """

    bos = eos = None

    def __init__(self, count: int):
        self._begin = count
        self._digits = len(str(count - 1))
        self._ids = {f"{COLOUR}{id:0{self._digits}}": id for id in range(count)}

    def json(self) -> dict:
        """tokenizer.json, which cuts a text into these words."""
        begin = {BEGIN: self._begin}
        word = f"{COLOUR}[0-9]{{{self._digits}}}"
        return word_level_json(self._ids | begin, begin, word, "<unk>", bos_template(BEGIN, self._begin))
