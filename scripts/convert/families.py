"""Which family a source belongs to: the one place to add an architecture."""

from errors import ConvertError
from family import Family
from gemma3 import Gemma3
from gguf_file import GgufFile
from gpt_neox import GptNeoX
from hf_folder import HfFolder
from llama import Llama
from qwen3 import Qwen3
from source import Source

# By kind of source, then by the architecture's name there: `general.architecture`, or `model_type` of config.json.
FAMILIES: dict[type[Source], dict[str, type[Family]]] = {
    GgufFile: {"llama": Llama, "gemma3": Gemma3, "qwen3": Qwen3},
    HfFolder: {"llama": Llama, "gemma3_text": Gemma3, "qwen3": Qwen3, "gpt_neox": GptNeoX},
}


def family_of(source: Source) -> Family:
    """The model in the source, its sizes and tensors checked."""
    known = FAMILIES[type(source)]
    if source.architecture not in known:
        raise ConvertError(
            f'{source.path}: architecture "{source.architecture}": not supported (expected one of {", ".join(known)})'
        )
    return known[source.architecture](source)
