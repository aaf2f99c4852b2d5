"""The base of all families of language models: it reads sizes and weights, and makes the files beside the graph."""

from abc import abstractmethod

from family import Family
from gguf_file import GgufFile
from gguf_tokenizer import GgufTokenizer
from hf_folder import HfFolder
from hf_tokenizer import HfTokenizer
from nano_gpt import Characters
from onnx_writer import Q4
from pt_file import PtFile
from shape import Shape
from weights import Weights


class LanguageModel(Family):
    """A transformer decoder with a tokenizer, from GGUF, from a Hugging Face folder or from a nanoGPT checkpoint.

    For each kind of source, a family has one method that sets `shape`, `weights` and all that its layers need.
    """

    shape: Shape
    weights: Weights
    # The implementation that the logits are compared with.
    reference = "transformers 4.57.6"

    def __init__(self, source: GgufFile | HfFolder | PtFile):
        self.source = source
        if isinstance(source, HfFolder):
            self.from_folder(source)
            source.config.finish()
            self._tokenizer = self.tokenizer_of(source)
        elif isinstance(source, PtFile):
            self.from_checkpoint(source)
            source.config.finish()
            self._tokenizer = Characters(source, self.shape.vocabulary)
        else:
            self.from_gguf(source)
            source.finish()
            self._tokenizer = GgufTokenizer(source)
        self.max_positions = self.shape.positions

    @abstractmethod
    def from_folder(self, folder: HfFolder) -> None:
        """Take sizes and weights from a Hugging Face folder; refuse what is not supported."""

    def from_gguf(self, file: GgufFile) -> None:
        """Take sizes and weights from a GGUF file; refuse what is not supported."""
        raise NotImplementedError(f"{file.architecture} in GGUF")

    def from_checkpoint(self, file: PtFile) -> None:
        """Take sizes and weights from a nanoGPT checkpoint."""
        raise NotImplementedError(f"{file.architecture} in a checkpoint")

    def tokenizer_of(self, folder: HfFolder):
        """The folder's tokenizer; it may determine the modality."""
        tokenizer = HfTokenizer(folder, self.shape.vocabulary)
        self.modality = "genomic" if tokenizer.is_genomic else self.modality
        return tokenizer

    @abstractmethod
    def config(self) -> dict:
        """The family's own part of config.json, with transformers' keys."""

    def parameters(self) -> int:
        return self.weights.parameters()

    def verified(self) -> list[str]:
        return [
            f"The {self.architecture} graphs of this converter, on random weights of random shapes: logits within 1e-5 "
            f"of {self.reference} in float32 (make test-oracle). These weights themselves: nothing."
        ]

    def tables(self, weights: str) -> dict[str, dict]:
        s = self.shape
        config = {
            **self.config(),
            "vocab_size": s.vocabulary,
            "hidden_size": s.width,
            "intermediate_size": s.hidden,
            "num_hidden_layers": s.layers,
            "num_attention_heads": s.heads,
            "num_key_value_heads": s.kv_heads,
            "head_dim": s.head_dim,
            "max_position_embeddings": s.positions,
            "bos_token_id": self._tokenizer.bos,
            "eos_token_id": self._tokenizer.eos,
            "tie_word_embeddings": s.tied,
            # For blocks of 4 bits, the dtype of the weights that they represent.
            "torch_dtype": "float32" if weights == Q4 else weights,
        }
        return {"config.json": config, "tokenizer.json": self._tokenizer.json()}
