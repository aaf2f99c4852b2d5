"""The mistral architecture (arXiv 2310.06825): llama, in which attention may be limited to a window."""

from hf_config import HfConfig
from llama import Llama

# The default of transformers' MistralConfig if config.json has no such key; null means no window.
DEFAULT_WINDOW = 4096


class Mistral(Llama):
    """A Mistral model."""

    architecture = "mistral"

    def options(self, config: HfConfig) -> None:
        if not config.is_null("sliding_window"):
            self.window = config.count("sliding_window", DEFAULT_WINDOW)
