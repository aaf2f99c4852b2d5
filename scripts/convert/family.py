"""What the converter asks of a model, whatever its architecture."""

from abc import ABC, abstractmethod

from onnx_writer import OnnxWriter
from source import Source


class Family(ABC):
    """A model of one architecture in one source, checked when it is constructed."""

    source: Source
    # The architecture's name in the card.
    architecture: str
    # The modality where the user names none.
    modality = "linguistic"
    # The card's word for the vocabulary: the tokenizer's file, or "bytes" where token ids are byte values.
    vocabulary = "tokenizer.json"
    # The longest sequence that the graph takes, in tokens.
    max_positions: int

    @abstractmethod
    def parameters(self) -> int:
        """The number of weights, a tied embedding once."""

    @abstractmethod
    def tables(self, weights: str) -> dict[str, dict]:
        """The JSON files of the model folder beside the card: config.json, and tokenizer.json where there is one."""

    @abstractmethod
    def write(self, writer: OnnxWriter) -> None:
        """Add the whole graph and every weight."""

    def verified(self) -> list[str]:
        """What is known to be right about a model of this architecture, in sentences for the card."""
        return []

    def notes(self) -> dict:
        """Further fields of the card."""
        return {}
