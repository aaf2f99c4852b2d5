"""The mistral architecture (arXiv 2310.06825): llama's, whose tokens may see a window only."""

from hf_config import HfConfig
from llama import Llama

# transformers' MistralConfig, where config.json does not mention a window; null is none.
DEFAULT_WINDOW = 4096


class Mistral(Llama):
    """A Mistral model."""

    architecture = "mistral"

    def options(self, config: HfConfig) -> None:
        if not config.is_null("sliding_window"):
            self.window = config.count("sliding_window", DEFAULT_WINDOW)
