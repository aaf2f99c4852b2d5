"""The interface of a model of any architecture."""

from abc import ABC, abstractmethod

from onnx_writer import OnnxWriter
from source import Source


class Family(ABC):
    """A model of one architecture, read from one source. The constructor checks it."""

    source: Source
    # The architecture's name in the card.
    architecture: str
    # The default modality.
    modality = "linguistic"
    # The card's field `vocabulary`: the tokenizer's file, or "bytes" if token ids are byte values.
    vocabulary = "tokenizer.json"
    # The length of the longest sequence that the graph takes, in tokens.
    max_positions: int

    @abstractmethod
    def parameters(self) -> int:
        """The number of weights; a tied embedding counts once."""

    @abstractmethod
    def tables(self, weights: str) -> dict[str, dict]:
        """The JSON files of the model folder, except the card: config.json, and tokenizer.json if there is one."""

    @abstractmethod
    def write(self, writer: OnnxWriter) -> None:
        """Write the whole graph and all weights."""

    def verified(self) -> list[str]:
        """Sentences for the card that say what was verified about models of this architecture."""
        return []

    def notes(self) -> dict:
        """Additional fields of the card."""
        return {}
