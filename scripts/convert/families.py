"""Finds the family of a source. This is the one place where an architecture is added."""

from errors import TRANSFORMERS, ConvertError
from evo1 import Evo1
from evo2 import Told, variant_of
from family import Family
from gemma3 import Gemma3
from gguf_file import GgufFile
from gpt2 import Gpt2
from gpt_neox import GptNeoX
from hf_folder import HfFolder
from hyenadna import HyenaDna
from imagegpt import ImageGpt
from lightning_folder import LightningFolder
from llama import Llama
from mistral import Mistral
from olmo2 import Olmo2
from phi3 import Phi3
from progen2 import ProGen2
from pt_file import PtFile
from qwen import Qwen2, Qwen3
from source import Source
from striped_hyena import StripedHyena

# Keys: the kind of source, then its name for the architecture (`general.architecture`, or `model_type` in config.json).
FAMILIES: dict[type[Source], dict[str, type[Family]]] = {
    GgufFile: {
        "llama": Llama,
        "gemma3": Gemma3,
        "qwen3": Qwen3,
        "qwen2": Qwen2,
        "olmo2": Olmo2,
        "gpt2": Gpt2,
        "phi3": Phi3,
    },
    HfFolder: {
        "llama": Llama,
        "gemma3_text": Gemma3,
        "qwen3": Qwen3,
        "gpt_neox": GptNeoX,
        "qwen2": Qwen2,
        "mistral": Mistral,
        "olmo2": Olmo2,
        "gpt2": Gpt2,
        "phi3": Phi3,
        "progen": ProGen2,
        "imagegpt": ImageGpt,
        "hyenadna": HyenaDna,
        "stripedhyena": Evo1,
    },
    LightningFolder: {"hyenadna": HyenaDna},
    PtFile: {"gpt2": Gpt2},
}
# What users can do if their architecture is not supported.
REMAINS = (
    "two ways remain for its Hugging Face folder: an ONNX export that infer reads (optimum-cli export onnx --task "
    f"text-generation-with-past --model FOLDER EXPORTED), or transformers itself: {TRANSFORMERS}"
)


def family_of(source: Source, told: Told) -> Family:
    """The model in the source, with checked sizes and tensors. `told` is what the user specifies about a checkpoint."""
    if isinstance(source, PtFile) and source.config is None:
        return StripedHyena(source, variant_of(source.path, told))
    if FAMILIES[type(source)].get(source.architecture) is HyenaDna:
        return HyenaDna(source, told)
    if told != Told():
        raise ConvertError(f"{source.path}: no Evo 2 checkpoint, the only kind with a --evo2-model or a --rope-scaling")
    known = FAMILIES[type(source)]
    if source.architecture not in known:
        raise ConvertError(
            f'{source.path}: architecture "{source.architecture}": not supported (expected one of {", ".join(known)}); '
            + REMAINS
        )
    return known[source.architecture](source)
